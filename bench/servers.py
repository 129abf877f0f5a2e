"""What is measured: the service as it is shipped, and the floor under the same gunicorn settings."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers.process import Server, free_port, own_folder
from tests.servers.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PASSWORD = "correct horse battery staple"  # noqa: S105 - of accounts that live for a minute

_SHIPPED = """
import json, runpy, sys
from gunicorn.config import KNOWN_SETTINGS
given = runpy.run_path(sys.argv[1])
plain = {}
for name in {setting.name for setting in KNOWN_SETTINGS} & given.keys():
    value = given[name]
    if name == "worker_class" and isinstance(value, type):
        value = f"{value.__module__}.{value.__qualname__}"
    if value is None or isinstance(value, (int, str)):
        plain[name] = value
print(json.dumps(plain))
"""
"""Prints the settings in a gunicorn.conf.py that are values, as JSON."""


def production(folder: Path, store: dict[str, str]) -> dict[str, str]:
    """The settings of an instance as an operator runs it: production, two workers, JSON lines to a file."""
    return {
        "FLASK_ENV": "production",
        "WEB_CONCURRENCY": "2",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_URL": "http://127.0.0.1",
        "LOG_FILE": str(folder / "latchkey.log"),
        **store,
    }


def quick(settings: dict[str, str]) -> dict[str, str]:
    """The same with the cheapest hashes, which production refuses."""
    return settings | {"FLASK_ENV": "development", "LOG_FORMAT": "json", "BCRYPT_COST": "4"}


class Floor(Server):
    """A bare Flask under gunicorn."""

    def answers(self) -> bool:
        return status(self.port, "GET", "/ping") == http.HTTPStatus.OK


@contextmanager
def floor(settings: dict[str, str]) -> Iterator[Floor]:
    """Start the floor with what the shipped gunicorn.conf.py makes of these settings of the service."""
    with own_folder() as folder:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT), **settings}
        shipped = gunicorn_settings(environment)
        port = free_port()
        shipped["bind"] = f"127.0.0.1:{port}"
        config = folder / "gunicorn.conf.py"
        config.write_text("".join(f"{name} = {value!r}\n" for name, value in shipped.items()))
        command = [
            "env", "-i", f"PYTHONPATH={ROOT}",
            sys.executable, "-m", "gunicorn", "--config", str(config), "bench.floor:app",
        ]  # fmt: skip
        with Floor(command, folder=folder, port=port) as server:
            yield server


def gunicorn_settings(environment: dict[str, str]) -> dict[str, Any]:
    """The plain settings in gunicorn.conf.py: its hooks and its log belong to the application."""
    done = subprocess.run(
        [sys.executable, "-c", _SHIPPED, str(ROOT / "gunicorn.conf.py")],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    settings: dict[str, Any] = json.loads(done.stdout)
    return settings


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
        tokens: dict[str, str] = json.load(connection.getresponse())["data"]
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
