"""The nginx that ships, in front of any upstream, and an upstream that shows what nginx sends."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.servers import nginx
from tests.servers.fixtures import require
from tests.servers.process import Server, free_port, own_folder
from tests.servers.service import Service

CLIENT = "127.0.0.2"
"""Where the client comes from; nginx itself comes from 127.0.0.1."""
SHIPPED = Path(__file__).parents[2] / "nginx"


@contextmanager
def front(
    upstream: int,
    *,
    port: int = 0,
    changed: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
    tls: int = 0,
) -> Iterator[Server]:
    """Run the files of nginx/ in front of the port `upstream`, on `port`, or a free one, in place of 80.

    `changed` are directives of nginx.conf and what takes their place, `more` are files beside it; with `tls`, a port,
    tls.conf takes the place of listen.conf.
    """
    require(nginx.missing())
    port = port or free_port()
    with own_folder() as folder:
        for file in SHIPPED.glob("*.conf"):
            shutil.copy(file, folder)
        for name, text in (more or {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        main, listen = folder / "nginx.conf", folder / "listen.conf"
        if tls:
            shutil.copy(SHIPPED / "tls.conf", listen)
            _replace(listen, "listen 443 ", f"listen 127.0.0.1:{tls} ")
        _replace(listen, "listen 80 ", f"listen 127.0.0.1:{port} ")
        _replace(main, "server app:5000;", f"server 127.0.0.1:{upstream};")
        for old, new in (changed or {}).items():
            _replace(main, old, new)
        with nginx.nginx(main, port=port) as server:
            yield server


def accesses(server: Server) -> list[dict[str, Any]]:
    """The lines of nginx's access log."""
    return [json.loads(line) for line in server.log().splitlines() if line.startswith('{"event":"access"')]


def logged(proxied: Service, **facts: object) -> list[dict[str, Any]]:
    """The lines of the service's log about requests with these facts."""
    lines = [json.loads(line) for line in proxied.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "request" and facts.items() <= line.items()]


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


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{file.name} has not exactly one {old!r}"
    file.write_text(text.replace(old, new))
