"""What is measured: the service as it is shipped, and the floor under stock gunicorn."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.config.settings import definitions
from tests.servers.process import Server, free_port, own_folder
from tests.servers.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[1]
PASSWORD = "correct horse battery staple"  # noqa: S105 - of accounts that live for a minute

_WIDTH = ("workers", "threads", "keepalive", "worker_connections")
_SHIPPED = """
import json, runpy, sys
shipped = runpy.run_path(sys.argv[1])
print(json.dumps({name: shipped[name] for name in sys.argv[2:]}))
"""
"""Prints settings of a gunicorn.conf.py as JSON."""


def production(folder: Path, store: dict[str, str]) -> dict[str, str]:
    """The settings of an instance as an operator runs it: production, two workers, JSON lines to a file."""
    return {
        "FLASK_ENV": "production",
        "WEB_CONCURRENCY": "2",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_URL": "http://127.0.0.1",
        **dict.fromkeys(definitions()["limits"], "1000000/minute"),  # counted, but all comes from one address
        "LOG_FILE": str(folder / "latchkey.log"),
        **store,
    }


def quick(settings: dict[str, str]) -> dict[str, str]:
    """The same with the cheapest hashes, which production refuses."""
    return settings | {"FLASK_ENV": "development", "LOG_FORMAT": "json", "BCRYPT_COST": "4"}


class Floor(Server):
    """A bare Flask under stock gunicorn."""

    def answers(self) -> bool:
        return status(self.port, "GET", "/ping") == http.HTTPStatus.OK


@contextmanager
def floor(settings: dict[str, str]) -> Iterator[Floor]:
    """Start the floor, with as many workers and threads as these settings of the service give it."""
    with own_folder() as folder:
        port = free_port()
        stock = {"bind": f"127.0.0.1:{port}", **stock_settings(settings)}
        config = folder / "gunicorn.conf.py"
        config.write_text("".join(f"{name} = {value!r}\n" for name, value in stock.items()))
        command = [
            "env", "-i", f"PYTHONPATH={ROOT}",
            sys.executable, "-m", "gunicorn", "--config", str(config), "bench.floor:app",
        ]  # fmt: skip
        with Floor(command, folder=folder, port=port) as server:
            yield server


def stock_settings(settings: Mapping[str, str]) -> dict[str, str | int | bool]:
    """gunicorn's own threaded worker, as wide as the shipped one is with these settings of the service.

    All else is gunicorn's default, so that the figures show what our worker and our settings gain or cost.
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT), **settings}
    done = subprocess.run(
        [sys.executable, "-c", _SHIPPED, str(ROOT / "gunicorn.conf.py"), *_WIDTH],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    # Its control socket would be shared with every other gunicorn of this account.
    return {"worker_class": "gthread", "control_socket_disable": True, **json.loads(done.stdout)}


@contextmanager
def service(settings: dict[str, str]) -> Iterator[Service]:
    """Start the service."""
    with own_folder() as folder, Service(settings, folder=folder) as server:
        yield server


def register(port: int, number: int) -> None:
    """Register the account with this number."""
    body = {"email": f"user{number}@example.com", "username": f"user{number}", "password": PASSWORD}
    answer = status(port, "POST", "/auth/register", body)
    if answer != http.HTTPStatus.CREATED:
        raise RuntimeError(f"a registration was answered {answer}")


def log_in(port: int, number: int) -> str:
    """An access token of the account with this number."""
    return open_session(port, number)["access_token"]


def open_session(port: int, number: int) -> dict[str, str]:
    """The tokens of a new session of the account with this number."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        body = json.dumps({"login": f"user{number}", "password": PASSWORD})
        connection.request("POST", "/auth/login", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"a login of user{number} was answered {answer.status}")
        tokens: dict[str, str] = json.load(answer)["data"]
        return tokens


def status(port: int, method: str, path: str, body: dict[str, str] | None = None) -> int:
    """The status that a request gets; 0 if there is no answer."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"} if content else {})
            return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
