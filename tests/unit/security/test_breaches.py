"""A new password is looked up among the breached ones; only 5 digits leave, and whatever fails lets it pass."""

from __future__ import annotations

import hashlib
import socket
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from app.security.breaches import BreachedPasswords
from tests.servers.replying import PATIENCE, ReplyingServer, certificate, dripping, sending, waiting

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.replying import Reply

PASSWORD = "correct horse battery staple"
DIGEST = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()  # noqa: S324 - what the range service counts by
PREFIX, SUFFIX = DIGEST[:5], DIGEST[5:]
OTHER = "0" * 34 + "F"
SHORT = 0.3
"""Seconds, where the test is about the end of them."""


class RangeService(ReplyingServer):
    """A server whose range service answers each request with `reply`."""

    @property
    def url(self) -> str:
        return f"{super().url}/range"


@pytest.fixture
def serve() -> Iterator[Callable[..., RangeService]]:
    """Starts range services, and ends them after the test."""
    started: list[RangeService] = []

    def serve(reply: Reply, tls: ssl.SSLContext | None = None) -> RangeService:
        started.append(RangeService(reply, tls))
        return started[-1]

    yield serve
    for service in started:
        service.close()


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ssl.SSLContext]:
    """Makes a certificate for an address, and what a server needs to show it; `trusted` by this process."""

    def certified(address: str, *, trusted: bool) -> ssl.SSLContext:
        context, shown = certificate(tmp_path, address)
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(shown))
        return context

    return certified


def listing(*lines: str, end: str = "\r\n") -> Reply:
    """Answers with these lines."""
    body = end.join(lines).encode()
    return sending(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def looked_up(breaches: BreachedPasswords, password: str = PASSWORD) -> bool:
    """Whether the password was found, where nothing may go wrong."""
    with capture_logs() as lines:
        found = breaches.contains(password)
    assert lines == []
    return found


def failed(breaches: BreachedPasswords) -> str:
    """The cause in the one log line of a failed look-up; the password is accepted, and is not logged."""
    with capture_logs() as lines:
        assert breaches.contains(PASSWORD) is False
    (line,) = lines
    told = str(line).upper()
    assert not any(secret in told for secret in (PASSWORD.upper(), DIGEST, SUFFIX, PREFIX))
    assert line["log_level"] == "warning"
    return str(line["cause"])


def test_a_password_that_the_service_counts_is_breached(serve: Callable[..., RangeService]) -> None:
    service = serve(listing(f"{OTHER}:3", f"{SUFFIX}:1", "1" * 35 + ":12345678"))

    assert looked_up(BreachedPasswords(service.url, PATIENCE))


@pytest.mark.parametrize("lines", [[f"{SUFFIX}:10"], [f"{OTHER}:0", f"{SUFFIX}:2"], [f"{SUFFIX.lower()}:2", ""]])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_mirror_may_write_its_lines_a_little_differently(
    serve: Callable[..., RangeService], lines: list[str], end: str
) -> None:
    assert looked_up(BreachedPasswords(serve(listing(*lines, end=end)).url, PATIENCE))


@pytest.mark.parametrize("lines", [[], [f"{OTHER}:3"], [f"{SUFFIX}:0"], [f"{SUFFIX}:000", f"{OTHER}:7"]])
def test_a_password_that_is_not_listed_or_only_as_padding_is_not_breached(
    serve: Callable[..., RangeService], lines: list[str]
) -> None:
    assert not looked_up(BreachedPasswords(serve(listing(*lines)).url, PATIENCE))


def test_only_five_digits_leave_and_the_answer_is_asked_to_be_padded(serve: Callable[..., RangeService]) -> None:
    service = serve(listing())

    looked_up(BreachedPasswords(service.url, PATIENCE))

    (request,) = service.requests
    first, *headers = request.decode().rstrip().split("\r\n")
    assert first == f"GET /range/{PREFIX} HTTP/1.1"
    assert sorted(headers) == [
        "Accept-Encoding: identity",
        "Add-Padding: true",
        "Connection: close",
        f"Host: 127.0.0.1:{service.port}",
        "User-Agent: latchkey",
    ]


@pytest.mark.parametrize("password", ["pässwörd für dich", "\N{KEY}" * 10, "nul\0in it", "lone \ud800 surrogate"])
def test_any_password_can_be_looked_up(serve: Callable[..., RangeService], password: str) -> None:
    digest = hashlib.sha1(password.encode(errors="surrogatepass")).hexdigest().upper()  # noqa: S324 - as above

    assert looked_up(BreachedPasswords(serve(listing(f"{digest[5:]}:1")).url, PATIENCE), password)


def test_the_service_is_asked_over_https(
    serve: Callable[..., RangeService], certified: Callable[..., ssl.SSLContext]
) -> None:
    service = serve(listing(f"{SUFFIX}:1"), certified("127.0.0.1", trusted=True))

    assert looked_up(BreachedPasswords(service.url, PATIENCE))


@pytest.mark.parametrize(("address", "trusted"), [("127.0.0.1", False), ("127.0.0.2", True)])
def test_an_untrusted_or_foreign_certificate_is_refused_before_the_request(
    serve: Callable[..., RangeService], certified: Callable[..., ssl.SSLContext], address: str, *, trusted: bool
) -> None:
    service = serve(listing(f"{SUFFIX}:1"), certified(address, trusted=trusted))

    assert "certificate verify failed" in failed(BreachedPasswords(service.url, PATIENCE))
    assert service.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://range.example.com/range",
        "http://192.0.2.7/range",
        "http://localhost.example.com",
        "http://0.0.0.0/range",
        "ftp://localhost/range",
        "range.example.com",
        "https://",
        "https://user:word@range.example.com",
        "https://range.example.com/range?mode=ntlm",
        "https://range.example.com/range/",
    ],
)
def test_another_url_than_https_or_http_to_this_machine_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="has to"):
        BreachedPasswords(url)


@pytest.mark.parametrize(
    "url", ["https://range.example.com", "https://range.example.com:8443/a/b", "http://localhost:8080", "http://[::1]"]
)
def test_https_to_anywhere_and_http_to_this_machine_are_accepted(url: str) -> None:
    BreachedPasswords(url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(serve: Callable[..., RangeService], status: int) -> None:
    elsewhere = serve(listing(f"{SUFFIX}:1"))
    reply = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {elsewhere.url}/{PREFIX}\r\nContent-Length: 0\r\n\r\n"

    assert str(status) in failed(BreachedPasswords(serve(sending(reply.encode())).url, PATIENCE))
    assert elsewhere.requests == []


def test_the_proxies_of_the_environment_are_not_used(
    serve: Callable[..., RangeService], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, service = serve(listing()), serve(listing(f"{SUFFIX}:1"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("no_proxy", raising=False)

    assert looked_up(BreachedPasswords(service.url, PATIENCE))
    assert proxy.requests == []


OK = b"HTTP/1.1 200 OK\r\n"
LINE = f"{SUFFIX}:1\r\n".encode()
UNUSABLE = {
    "nothing": b"",
    "no HTTP": b"220 mail.example.com ESMTP\r\n",
    "no HTTP, with what was asked": b"who asks for /range/%b?\r\n" % PREFIX.encode(),
    "a status of its own": b"HTTP/1.1 503 %b\r\nContent-Length: 38\r\n\r\n%b" % (PREFIX.encode(), LINE),
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "a page": OK + b"Content-Length: 28\r\n\r\n<html>Please log in</html>\r\n",
    "a page around the line": OK + b"\r\n<html>\r\n" + LINE,
    "no count": OK + b"\r\n" + SUFFIX.encode(),
    "a negative count": OK + b"\r\n" + SUFFIX.encode() + b":-1",
    "a whole digest": OK + b"\r\n" + DIGEST.encode() + b":1",
    "compressed": OK + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00",
    "broken off": OK + b"Content-Length: 100\r\n\r\n" + LINE,
    "broken off in a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\n" + LINE,
    "a chunk of no size": OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n" + LINE,
    "a header without end": OK + b"X-Long: " + b"a" * 70_000,
    "too many headers": OK + b"X-Many: 1\r\n" * 200 + b"\r\n",
    "too long by its own word": OK + b"Content-Length: 99999999999999999\r\n\r\n" + LINE,
}


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=list(UNUSABLE))
def test_an_invalid_answer_lets_the_password_pass_and_is_logged_once(
    serve: Callable[..., RangeService], reply: bytes
) -> None:
    assert failed(BreachedPasswords(serve(sending(reply)).url, PATIENCE))


def test_an_answer_of_a_megabyte_is_read(serve: Callable[..., RangeService]) -> None:
    padding = [f"{OTHER}:{'0' * 100}"] * (1_000_000 // 138 - 1)

    assert looked_up(BreachedPasswords(serve(listing(*padding, f"{SUFFIX}:1")).url, PATIENCE))


def test_of_a_longer_answer_no_more_is_read(serve: Callable[..., RangeService]) -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(OK + b"\r\n")
        while True:
            connection.sendall(LINE * 1000)

    service = serve(endless)

    assert failed(BreachedPasswords(service.url, PATIENCE)) == "the answer is unusable: longer than 1 MB"
    service.close()  # ends only when the client has left


def test_a_service_that_is_not_there_lets_the_password_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

    assert (
        failed(BreachedPasswords(f"http://127.0.0.1:{port}", PATIENCE)) == "ConnectionRefusedError: Connection refused"
    )


DRIPS = {
    "nothing": (b"", b""),
    "the status": (b"HTTP/1.1 ", b"2"),
    "preliminary answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a header": (OK, b"X"),
    "headers": (OK, b"X: 1\r\n"),
    "the size of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "the body": (OK + b"Content-Length: 5000\r\n\r\n", b"0"),
    "a body without a length": (OK + b"\r\n" + LINE, LINE),
}


@pytest.mark.parametrize(("beginning", "drop"), DRIPS.values(), ids=list(DRIPS))
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_server_that_drips_is_left_at_the_deadline(
    serve: Callable[..., RangeService],
    certified: Callable[..., ssl.SSLContext],
    beginning: bytes,
    drop: bytes,
    *,
    secure: bool,
) -> None:
    tls = certified("127.0.0.1", trusted=True) if secure else None
    service = serve(dripping(beginning, drop) if drop else waiting, tls)

    assert failed(BreachedPasswords(service.url, SHORT)).startswith("TimeoutError")
    service.close()  # ends only when the client has left


def test_a_handshake_that_drips_is_left_at_the_deadline(serve: Callable[..., RangeService]) -> None:
    service = serve(dripping(b"\x16\x03\x03\x3f\xff", b"\x02"))  # the header of a record of 16 KiB

    assert failed(BreachedPasswords(f"https://127.0.0.1:{service.port}", SHORT)).startswith("TimeoutError")
    service.close()


def test_a_name_that_is_not_resolved_in_time_lets_the_password_pass(
    serve: Callable[..., RangeService], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, released = serve(listing(f"{SUFFIX}:1")), Event()
    resolve = socket.getaddrinfo

    def slow(*names: Any, **options: Any) -> Any:
        released.wait()
        return resolve(*names, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    breaches = BreachedPasswords(service.url, SHORT / 10)
    try:
        for _ in range(20):  # more than there are threads
            assert failed(breaches) == "TimeoutError"
    finally:
        released.set()

    service.close()
    assert not any(service.requests)  # one whose time is up may still connect


def test_a_look_up_that_failed_does_not_stand_in_the_way_of_the_next(serve: Callable[..., RangeService]) -> None:
    replies = iter([sending(b""), listing(f"{SUFFIX}:1")])

    def reply(connection: socket.socket) -> None:
        next(replies)(connection)

    breaches = BreachedPasswords(serve(reply).url, PATIENCE)

    failed(breaches)

    assert looked_up(breaches)
