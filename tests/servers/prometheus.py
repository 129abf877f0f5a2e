"""A real Prometheus with any configuration, and promtool, which comes with it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx

from tests.servers.process import Server, free_port, own_folder, program

PATIENCE = 30.0
"""Seconds that a query may take on a busy machine."""


class Prometheus(Server):
    """A Prometheus that keeps what it scraped in its folder."""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.base_url}/-/ready", timeout=PATIENCE).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def ask(self, path: str, **parameters: str) -> dict[str, Any]:
        """What its API says below /api/v1/."""
        reply = httpx.get(f"{self.base_url}/api/v1/{path}", params=parameters, timeout=PATIENCE)
        content: dict[str, Any] = reply.json()
        assert content["status"] == "success", f"{parameters}: {content}"
        return dict(content["data"])

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and the value of each series that an expression gives now."""
        found = self.ask("query", query=expression)["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]


@contextmanager
def prometheus(config: Path, *, port: int | None = None) -> Iterator[Prometheus]:
    """Run Prometheus with a configuration, on `port` (None: a free one); what it keeps ends with it."""
    server_program = program("prometheus")
    if server_program is None:
        raise FileNotFoundError(missing())
    port = port or free_port()
    with own_folder() as folder:
        command = [
            server_program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with Prometheus(command, folder=folder, port=port) as server:
            yield server


@contextmanager
def exposition(text: str) -> Iterator[int]:
    """The port of a server that gives Prometheus always the same metrics, whatever it is asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def promtool(*arguments: str | Path) -> str:
    """Run promtool; what it wrote. AssertionError with that when it found fault."""
    tool = program("promtool")
    if tool is None:
        raise FileNotFoundError(missing())
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def missing() -> str | None:
    """What to install for the tests with Prometheus; None when all is there."""
    return (
        None if program("prometheus") and program("promtool") else "Prometheus is missing: apt-get install prometheus"
    )
