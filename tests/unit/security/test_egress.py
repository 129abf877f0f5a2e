"""A request to an address that others name goes to just the public address that was judged, and is small and short."""

from __future__ import annotations

import gzip
import logging
import socket
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from app.config.egress_values import destination
from app.platform import deadline
from app.security import egress
from app.security.bounded_calls import BoundedCalls
from app.security.egress import (
    MOST_AROUND,
    MOST_BYTES,
    Egress,
    EgressError,
    EgressFailedError,
    EgressRefusedError,
    EgressReply,
    EgressTooLargeError,
    EgressTooSlowError,
)
from tests.servers.process import free_port
from tests.servers.replying import PATIENCE, ReplyingServer, certificate, dripping, sending, waiting

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from tests.servers.replying import Reply

ROOT = Path(__file__).parents[3]
SHORT = 0.3
"""Seconds, where the test is about the end of them."""
OK = b"HTTP/1.1 200 OK\r\n"
PUBLIC = "1.1.1.1"
NAME = "hooks.example.com"


class Resolver:
    """Gives these answers, one a look-up and the last again and again, and keeps the names that it was asked for."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    def __call__(self, host: str, port: int) -> list[str]:
        del port
        self.asked.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def serve() -> Iterator[Callable[..., ReplyingServer]]:
    """Starts servers, and ends them after the test."""
    started: list[ReplyingServer] = []

    def serve(reply: Reply, tls: ssl.SSLContext | None = None, **place: str | int) -> ReplyingServer:
        started.append(ReplyingServer(reply, tls, **place))  # type: ignore[arg-type]  # host and port
        return started[-1]

    yield serve
    for server in started:
        server.close()


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Has this process trust the certificates in a file."""

    def trust(file: Path) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        egress._tls.cache_clear()  # noqa: SLF001 - as in a new process

    egress._tls.cache_clear()  # noqa: SLF001 - see above
    yield trust
    egress._tls.cache_clear()  # noqa: SLF001 - see above


def allowing(*servers: ReplyingServer, resolver: Resolver | None = None) -> Egress:
    """Requests may go to these servers; every name leads to the first of them, if `resolver` says nothing else."""
    allow = tuple(destination(f"{server.host}:{server.port}") for server in servers)
    return Egress(allow, resolver or Resolver([server.host for server in servers[:1]]))


def get(server: ReplyingServer, **options: float) -> EgressReply:
    return allowing(server).request("GET", server.url, **{"seconds": PATIENCE} | options)  # type: ignore[arg-type]


def replying(body: bytes, *headers: str) -> Reply:
    """Answers with this body."""
    lines = "".join(f"{line}\r\n" for line in headers).encode()
    return sending(OK + lines + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


# What may be asked


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]", "[::ffff:10.0.0.1]"])
def test_an_address_that_is_not_public_is_refused_at_creation_and_at_the_request(address: str) -> None:
    with pytest.raises(EgressRefusedError, match="has to lead to a public address"):
        Egress().check(f"https://{address}/")
    with pytest.raises(EgressRefusedError, match="has to lead to a public address"):
        Egress().request("GET", f"https://{address}/")


@pytest.mark.parametrize(
    "answer", [["127.0.0.1"], ["10.0.0.1", "::1"], ["::ffff:192.168.0.1"], ["fe80::1%eth0"], ["64:ff9b::a00:1"]]
)
def test_a_name_that_leads_to_no_public_address_is_refused_at_creation_and_at_the_request(answer: list[str]) -> None:
    guard = Egress(resolve=Resolver(answer))
    with pytest.raises(EgressRefusedError, match="has to lead to a public address"):
        guard.check(f"https://{NAME}/")
    with pytest.raises(EgressRefusedError, match="has to lead to a public address"):
        guard.request("GET", f"https://{NAME}/")


def test_a_public_address_and_a_name_that_leads_to_one_are_accepted() -> None:
    guard = Egress(resolve=Resolver(["10.0.0.1", PUBLIC]))
    for url in (f"https://{PUBLIC}/", f"https://{NAME}:8443/a?b", "https://[2606:4700::1111]/"):
        guard.check(url)


def test_at_creation_a_name_may_not_be_known_yet_and_a_look_up_may_hang() -> None:
    Egress(resolve=Resolver(OSError("no such name"))).check(f"https://{NAME}/")
    released = Event()

    def hang(host: str, port: int) -> list[str]:
        del host, port
        released.wait()
        return []

    Egress(resolve=hang).check(f"https://{NAME}/", seconds=SHORT / 10)
    released.set()


def test_by_http_a_name_has_to_lead_to_what_is_allowed_at_creation() -> None:
    unknown = Egress((destination("127.0.0.1:9000"),), Resolver(OSError("no such name")))
    with pytest.raises(EgressRefusedError, match="has to begin with https://"):
        unknown.check(f"http://{NAME}:9000/")
    Egress((destination("127.0.0.1:9000"),), Resolver(["127.0.0.1"])).check(f"http://{NAME}:9000/")


def test_while_every_look_up_hangs_an_address_is_still_refused() -> None:
    released, calls = Event(), BoundedCalls("hanging", 1)
    with pytest.raises(TimeoutError):
        calls.run(lambda _watch: released.wait(), SHORT / 10)
    with pytest.raises(EgressRefusedError):
        Egress(calls=calls).check("https://127.0.0.1/")
    released.set()


def test_http_is_refused_except_to_what_is_allowed() -> None:
    allow = (destination("10.1.0.0/16"), destination("127.0.0.1:9000"))
    resolver = Resolver([PUBLIC])
    for guard in (Egress(resolve=resolver), Egress(allow, resolver)):
        for url in (f"http://{PUBLIC}/", f"http://{NAME}:9000/", "http://127.0.0.1/", "http://127.0.0.1:9001"):
            with pytest.raises(EgressRefusedError, match="has to begin with https://"):
                guard.check(url)
    assert resolver.asked == [NAME]  # where nothing is allowed, no name is looked up
    for url in ("http://10.1.2.3/", "http://10.1.2.3:81/", "http://127.0.0.1:9000", "https://127.0.0.1:9000"):
        Egress(allow).check(url)


@pytest.mark.parametrize("port", [1, 22, 25, 80, 1023])
def test_at_public_addresses_no_port_of_another_service_is_asked(port: int) -> None:
    with pytest.raises(EgressRefusedError, match="has to name port 443, or one from 1024"):
        Egress().check(f"https://{PUBLIC}:{port}/")
    Egress((destination(f"{PUBLIC}:{port}"),)).check(f"https://{PUBLIC}:{port}/")
    Egress().check(f"https://{PUBLIC}:1024/")


def test_an_allowed_port_allows_no_other_and_an_allowed_address_no_neighbour() -> None:
    guard = Egress((destination("127.0.0.1:9000"),))
    for place in ("127.0.0.1:9001", "127.0.0.1", "127.0.0.2:9000", "[::1]:9000"):
        with pytest.raises(EgressRefusedError):
            guard.check(f"https://{place}/")


@pytest.mark.parametrize("url", ["https://a@127.0.0.1/", "https://2130706433/", "https://a.test./", "ftp://a.test"])
def test_a_url_that_cannot_be_read_for_certain_is_refused_before_any_look_up(url: str) -> None:
    resolver = Resolver([PUBLIC])
    for act in (Egress(resolve=resolver).check, lambda url: Egress(resolve=resolver).request("GET", url)):
        with pytest.raises(EgressRefusedError, match=r"^has to "):
            act(url)
    assert resolver.asked == []


# Where it goes


def test_a_name_is_resolved_once_and_the_address_that_was_judged_is_the_one_connected_to(
    serve: Callable[..., ReplyingServer],
) -> None:
    judged = serve(replying(b"judged"))
    other = serve(replying(b"other"), host="127.0.0.2", port=judged.port)
    resolver = Resolver([judged.host], [other.host])
    reply = allowing(judged, resolver=resolver).request("GET", f"http://{NAME}:{judged.port}/", seconds=PATIENCE)
    assert reply.body == b"judged"
    assert resolver.asked == [NAME]
    assert other.requests == []


def test_a_name_server_that_changes_its_answer_is_asked_once_for_each_request(
    serve: Callable[..., ReplyingServer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    trusting: Callable[[Path], None],
) -> None:
    """DNS rebinding, below everything of ours: the system's resolver gives an inner address to whoever asks again."""
    context, file = certificate(tmp_path, NAME)
    trusting(file)
    judged = serve(replying(b"judged"), context)
    inner = serve(replying(b"inner"), context, host="127.0.0.2", port=judged.port)
    asked, system = [], socket.getaddrinfo

    def changing(host: str, *arguments: Any, **options: Any) -> Any:
        if host != NAME:
            return system(host, *arguments, **options)  # an address, which is no question to anybody
        asked.append(host)
        return system((judged if len(asked) == 1 else inner).host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    guard = Egress((destination(f"{judged.host}:{judged.port}"),))
    url = f"https://{NAME}:{judged.port}/"
    assert guard.request("GET", url, seconds=PATIENCE).body == b"judged"
    assert asked == [NAME]
    with pytest.raises(EgressRefusedError):
        guard.request("GET", url, seconds=PATIENCE)
    assert (asked, inner.requests) == ([NAME, NAME], [])


def test_names_are_resolved_by_the_system(serve: Callable[..., ReplyingServer]) -> None:
    server = serve(replying(b"by name"))
    guard = Egress((destination(server.host),))
    assert guard.request("GET", f"http://localhost:{server.port}/", seconds=PATIENCE).body == b"by name"
    with pytest.raises(EgressRefusedError, match="has to lead to a public address"):
        Egress().check("https://localhost/", seconds=PATIENCE)


def test_an_answer_that_changes_after_the_creation_is_judged_again(serve: Callable[..., ReplyingServer]) -> None:
    allowed = serve(replying(b""))
    inner = serve(replying(b""), host="127.0.0.2", port=allowed.port)
    guard = allowing(allowed, resolver=Resolver([allowed.host], [inner.host]))
    url = f"http://{NAME}:{allowed.port}/"
    guard.check(url)
    with pytest.raises(EgressRefusedError):
        guard.request("GET", url, seconds=PATIENCE)
    assert inner.requests == []


def test_of_the_addresses_of_a_name_only_those_that_may_be_asked_are(serve: Callable[..., ReplyingServer]) -> None:
    allowed = serve(replying(b"allowed"))
    inner = serve(replying(b"inner"), host="127.0.0.2", port=allowed.port)
    guard = allowing(allowed, resolver=Resolver([inner.host, allowed.host]))
    assert guard.request("GET", f"http://{NAME}:{allowed.port}/", seconds=PATIENCE).body == b"allowed"
    assert inner.requests == []


def test_an_address_that_takes_no_connection_is_passed_over(serve: Callable[..., ReplyingServer]) -> None:
    server = serve(replying(b"there"))
    guard = Egress((destination("127.0.0.0/8"),), Resolver(["127.0.0.3", "127.0.0.2", server.host]))
    assert guard.request("GET", f"http://{NAME}:{server.port}/", seconds=PATIENCE).body == b"there"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_reply_and_not_followed(serve: Callable[..., ReplyingServer], status: int) -> None:
    elsewhere = serve(replying(b"elsewhere"))
    location = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {elsewhere.url}/\r\nContent-Length: 0\r\n\r\n"
    server = serve(sending(location.encode()))
    reply = allowing(server, elsewhere).request("GET", server.url, seconds=PATIENCE)
    assert (reply.status, reply.headers["location"]) == (status, f"{elsewhere.url}/")
    assert elsewhere.requests == []


def test_the_proxies_of_the_environment_are_not_used(
    serve: Callable[..., ReplyingServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve(replying(b"proxy")), serve(replying(b"server"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    assert get(server).body == b"server"
    assert proxy.requests == []


# What is sent


def test_the_request_names_the_host_of_the_url_and_nothing_of_an_earlier_reply(
    serve: Callable[..., ReplyingServer],
) -> None:
    server = serve(replying(b"", "Set-Cookie: a=b"))
    guard = allowing(server)
    headers = {"Content-Type": "application/json", "host": "planted", "Accept-Encoding": "gzip"}
    for _ in range(2):
        url = f"http://{NAME}:{server.port}/a/../b?c=d"
        guard.request("POST", url, body=b"{}", headers=headers, seconds=PATIENCE)
    first, second = server.requests
    assert first == second
    line, *lines, empty, body = first.decode().split("\r\n")
    assert line == "POST /a/../b?c=d HTTP/1.1"
    assert sorted(lines) == [
        "Accept-Encoding: identity",
        "Connection: close",
        "Content-Length: 2",
        "Content-Type: application/json",
        f"Host: {NAME}:{server.port}",
        "User-Agent: latchkey",
    ]
    assert (empty, body) == ("", "{}")


# TLS


def test_the_certificate_has_to_be_that_of_the_name_which_the_server_is_told(
    serve: Callable[..., ReplyingServer], tmp_path: Path, trusting: Callable[[Path], None]
) -> None:
    context, file = certificate(tmp_path, NAME)
    trusting(file)
    server = serve(replying(b"whole"), context)
    guard = allowing(server)
    assert guard.request("GET", f"https://{NAME}:{server.port}/", seconds=PATIENCE).body == b"whole"
    for host in ("other.example.com", "127.0.0.1"):
        with pytest.raises(EgressFailedError, match="certificate verify failed"):
            guard.request("GET", f"https://{host}:{server.port}/", seconds=PATIENCE)
    assert server.names == [NAME, "other.example.com", None]
    assert len(server.requests) == 1


def test_a_certificate_for_the_address_does_not_stand_for_a_name(
    serve: Callable[..., ReplyingServer], tmp_path: Path, trusting: Callable[[Path], None]
) -> None:
    context, file = certificate(tmp_path, "127.0.0.1")
    trusting(file)
    server = serve(replying(b"whole"), context)
    assert get(server).body == b"whole"
    with pytest.raises(EgressFailedError, match="certificate verify failed"):
        allowing(server).request("GET", f"https://{NAME}:{server.port}/", seconds=PATIENCE)


@pytest.mark.usefixtures("trusting")
def test_a_certificate_that_is_not_trusted_is_refused_at_an_allowed_address_too(
    serve: Callable[..., ReplyingServer], tmp_path: Path
) -> None:
    server = serve(replying(b"whole"), certificate(tmp_path, "127.0.0.1")[0])
    with pytest.raises(EgressFailedError, match="certificate verify failed"):
        get(server)
    assert server.requests == []


# What comes back


@pytest.mark.parametrize("size", [0, 1, MOST_BYTES])
@pytest.mark.parametrize("framing", ["length", "chunks", "end"])
def test_a_reply_of_no_more_than_the_limit_is_read(
    serve: Callable[..., ReplyingServer], size: int, framing: str
) -> None:
    body = b"a" * size
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 100]), body[at : at + 100]) for at in range(0, size, 100))
    framed = {
        "length": b"Content-Length: %d\r\n\r\n%b" % (size, body),
        "chunks": b"Transfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % chunks,
        "end": b"\r\n%b" % body,
    }
    reply = get(serve(sending(b"HTTP/1.1 404 No\r\nX-A: b\r\nX-A:  c\r\n" + framed[framing])))
    assert (reply.status, reply.headers["x-a"], reply.body) == (404, "b, c", body)


def endless(beginning: bytes, more: bytes) -> Reply:
    def send(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while True:
            connection.sendall(more)

    return send


TOO_LARGE = {
    "by its own word": sending(OK + b"Content-Length: %d\r\n\r\n" % (MOST_BYTES + 1)),
    "by one byte": sending(OK + b"\r\n" + b"a" * (MOST_BYTES + 1)),
    "without end": endless(OK + b"\r\n", b"a" * 1000),
    "in chunks without end": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"64\r\n" + b"a" * 100 + b"\r\n"),
    "in one chunk of a negative size": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", b"a" * 1000),
    "in what describes chunks": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"a" * 1000 + b"\r\nb\r\n"),
    "in headers": endless(OK, b"X-A: " + b"a" * (MOST_AROUND // 4) + b"\r\n"),
    "in headers behind the body": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: a\r\n"),
    "in preliminary replies": endless(b"", b"HTTP/1.1 100 Continue\r\nX-A: " + b"a" * 1000 + b"\r\n\r\n"),
}


@pytest.mark.parametrize("reply", TOO_LARGE.values(), ids=list(TOO_LARGE))
def test_a_reply_that_is_too_large_is_left(serve: Callable[..., ReplyingServer], reply: Reply) -> None:
    server = serve(reply)
    with pytest.raises(EgressTooLargeError):
        get(server)
    server.close()  # ends only when the client has left


def test_a_caller_may_want_more_or_less(serve: Callable[..., ReplyingServer]) -> None:
    server = serve(replying(b"a" * 100_000))
    assert len(get(server, most_bytes=100_000).body) == 100_000
    with pytest.raises(EgressTooLargeError):
        get(server, most_bytes=99_999)


UNUSABLE = {
    "nothing": b"",
    "no HTTP": b"220 mail.example.com ESMTP\r\n",
    "broken off": OK + b"Content-Length: 100\r\n\r\nplanted",
    "broken off in a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\nplanted",
    "broken off before the last chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n7\r\nplanted\r\n",
    "a chunk of no size": OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nplanted",
    "a header without end": OK + b"X-Long: " + b"a" * 65_537,
    "a bomb": OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"a" * 1_000_000),
    "a bomb in capitals": OK + b"Content-Encoding: GZIP\r\n\r\n" + gzip.compress(b"a" * 1_000_000),
}


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=list(UNUSABLE))
def test_a_reply_that_cannot_be_read_is_a_failure_which_repeats_nothing_of_it(
    serve: Callable[..., ReplyingServer], reply: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(sending(reply))
    with caplog.at_level(logging.DEBUG), pytest.raises(EgressFailedError) as failed:
        allowing(server).request("POST", f"{server.url}/planted", body=b"planted", seconds=PATIENCE)
    assert "planted" not in str(failed.value)
    assert caplog.records == []


def test_a_server_that_is_not_there_is_a_failure() -> None:
    guard = Egress((destination("127.0.0.1"),), Resolver(["127.0.0.1"], OSError("no such name"), ["planted"], []))
    with pytest.raises(EgressFailedError, match="ConnectionRefusedError: Connection refused"):
        guard.request("GET", f"http://{NAME}:{free_port()}/", seconds=PATIENCE)
    for _ in range(2):
        with pytest.raises(EgressFailedError, match="the name of the host cannot be resolved"):
            guard.request("GET", f"http://{NAME}/", seconds=PATIENCE)


# How long it takes

DRIPS = {
    "nothing": (b"", b""),
    "the status": (b"HTTP/1.1 ", b"2"),
    "preliminary replies": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers": (OK, b"X: 1\r\n"),
    "the size of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "the body": (OK + b"Content-Length: 5000\r\n\r\n", b"0"),
    "a body without a length": (OK + b"\r\n", b"0"),
    "headers behind the body": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: 1\r\n"),
}


@pytest.mark.parametrize(("beginning", "drop"), DRIPS.values(), ids=list(DRIPS))
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_server_that_drips_is_left_at_the_deadline(
    serve: Callable[..., ReplyingServer],
    tmp_path: Path,
    trusting: Callable[[Path], None],
    beginning: bytes,
    drop: bytes,
    *,
    secure: bool,
) -> None:
    context, file = certificate(tmp_path, "127.0.0.1")
    trusting(file)
    server = serve(dripping(beginning, drop) if drop else waiting, context if secure else None)
    with pytest.raises(EgressTooSlowError, match=f"within {SHORT} seconds"):
        get(server, seconds=SHORT)
    server.close()  # ends only when the client has left


def test_a_handshake_that_drips_is_left_at_the_deadline(serve: Callable[..., ReplyingServer]) -> None:
    server = serve(dripping(b"\x16\x03\x03\x3f\xff", b"\x02"))  # the header of a record of 16 KiB
    with pytest.raises(EgressTooSlowError):
        allowing(server).request("GET", f"https://127.0.0.1:{server.port}/", seconds=SHORT)
    server.close()


def test_a_look_up_that_hangs_is_left_at_the_deadline() -> None:
    released = Event()

    def hang(host: str, port: int) -> list[str]:
        del host, port
        released.wait()
        return []

    with pytest.raises(EgressTooSlowError):
        Egress(resolve=hang).request("GET", f"https://{NAME}/", seconds=SHORT / 10)
    released.set()


def test_a_request_takes_no_longer_than_the_one_that_it_is_made_for_has_left(
    serve: Callable[..., ReplyingServer],
) -> None:
    server = serve(waiting)
    with deadline.begin(SHORT), pytest.raises(EgressTooSlowError, match=r"within 0\.\d+ seconds"):
        get(server, seconds=10 * PATIENCE)
    server.close()
    resolver = Resolver([PUBLIC])
    with deadline.begin(0), pytest.raises(EgressTooSlowError, match="is up"):
        Egress(resolve=resolver).request("GET", f"https://{NAME}/")
    assert resolver.asked == []


def test_every_error_is_an_egress_error() -> None:
    for kind in (EgressRefusedError, EgressFailedError, EgressTooLargeError, EgressTooSlowError):
        assert issubclass(kind, EgressError)
