"""The nginx that ships, in front of any upstream, and an upstream that shows what nginx sends."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.servers import nginx
from tests.servers.fixtures import require
from tests.servers.process import Server, free_port, own_folder
from tests.servers.service import Service

CLIENT = "127.0.0.2"
"""Where the client comes from; nginx itself comes from 127.0.0.1."""
SHIPPED = Path(__file__).parents[2] / "nginx"
UNLIMITED = {
    "rate=50r/s": "rate=100000r/s",
    "rate=10r/s": "rate=100000r/s",
    "connections 100;": "connections 10000;",
}
"""What is `changed` for tests that load nginx from one address, as no client does."""


@contextmanager
def front(
    upstream: int | Sequence[int],
    *,
    port: int = 0,
    changed: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
    tls: int = 0,
) -> Iterator[Server]:
    """Run the files of nginx/ in front of the port `upstream`, or several, on `port`, or a free one, in place of 80.

    `changed` are directives of nginx.conf or limits.conf and what takes their place, `more` are files beside them; with
    `tls`, a port, tls.conf takes the place of listen.conf. The limits hold, unless they are `changed`: see `UNLIMITED`.
    """
    require(nginx.missing())
    port = port or free_port()
    with own_folder() as folder:
        for file in SHIPPED.glob("*.conf"):
            shutil.copy(file, folder)
        for name, text in (more or {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        main, limits, listen = folder / "nginx.conf", folder / "limits.conf", folder / "listen.conf"
        if tls:
            shutil.copy(SHIPPED / "tls.conf", listen)
            _replace(listen, "listen 443 ", f"listen 127.0.0.1:{tls} ")
        _replace(listen, "listen 80 ", f"listen 127.0.0.1:{port} ")
        _lead_to(folder / "upstream.conf", [upstream] if isinstance(upstream, int) else upstream)
        for old, new in (changed or {}).items():
            _replace(main if old in main.read_text() else limits, old, new)
        with nginx.nginx(main, port=port) as server:
            yield server


def accesses(server: Server) -> list[dict[str, Any]]:
    """The lines of nginx's access log."""
    return [json.loads(line) for line in server.log().splitlines() if line.startswith('{"event":"access"')]


def logged(proxied: Service, **facts: object) -> list[dict[str, Any]]:
    """The lines of the service's log about requests with these facts."""
    lines = [json.loads(line) for line in proxied.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "request" and facts.items() <= line.items()]


def self_signed() -> tuple[str, str]:
    """A certificate for `localhost`, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return certificate.public_bytes(Encoding.PEM).decode(), text


@dataclass
class Upstream:
    """Stands where the service stands, and keeps what it is sent."""

    port: int
    seen: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    """The first line and the headers of each request."""
    closing: bool = False
    """Whether a connection that has had a reply is closed at its next request, without one."""


@contextmanager
def upstream() -> Iterator[Upstream]:
    """An upstream that answers 200 to everything."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        answered = 0

        def handle_one_request(self) -> None:
            super().handle_one_request()
            self.answered += 1

        def answer(self) -> None:
            kept.seen.append((self.requestline, self.headers.items()))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if kept.closing and self.answered:
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the names are the library's

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kept = Upstream(server.server_address[1])
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _lead_to(file: Path, ports: Sequence[int]) -> None:
    """Name instances by their addresses: no name server is there, and nginx before 1.27.3 knows no `resolve`."""
    (server,) = re.findall(r"^ *server app:5000 resolve .+;\n", file.read_text(), re.MULTILINE)
    addressed = (server.replace("app:5000 resolve", f"127.0.0.1:{port}") for port in ports)
    _replace(file, server, "".join(addressed))


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{file.name} has not exactly one {old!r}"
    file.write_text(text.replace(old, new))
