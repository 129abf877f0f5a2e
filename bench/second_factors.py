"""Logins with a second factor: the password, then what the login token asks for. Each way to prove one is a Way.

A code works once and a login token ends with its login, so what is sent differs each time: threads send it, not wrk.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

import pyotp

from bench import acts, servers
from bench.acts import MANY, Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.scenarios import Samples
    from tests.servers.process import Server
    from tests.servers.service import Service


class Way(Protocol):
    """A way to prove a second factor, as MANY users of one service have it."""

    def renew(self) -> None:
        """Called before each round: make what is used up good again."""

    def finish(self, client: Client, number: int, login_token: str) -> None:
        """Send the request, or the requests, by which the user of this number finishes their login."""


class Totp:
    """By an authenticator app of each user; `database` is the SQLite file of the service."""

    def __init__(self, service: Service, database: Path) -> None:
        self._database = database
        self._apps = acts.in_turn(service.port, range(MANY), _enrolled)

    def renew(self) -> None:
        """Forget the time steps that are spent, so that nobody has to wait for the next one."""
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute("UPDATE totp_secrets SET last_step = NULL")

    def finish(self, client: Client, number: int, login_token: str) -> None:
        code = self._apps[number].now()
        client.send("/auth/login/continue", {"login_token": login_token, "method": "totp", "code": code})


def logins(
    name: str, service: Service, way: Way, *, floor: Server, rounds: int, hash_cpu: Callable[[], float]
) -> Samples:
    """The whole login: its CPU beyond the hash, which `hash_cpu` measures, and its time; see `acts.measured`."""

    def log_in(client: Client, number: int) -> None:
        body = {"login": f"user{number}", "password": servers.PASSWORD}
        begun = client.send("/auth/login", body, expected=403)
        way.finish(client, number, begun["login"]["token"])

    return acts.measured(name, service, log_in, floor=floor, rounds=rounds, bare_cpu=hash_cpu, before=way.renew)


def _enrolled(client: Client, number: int) -> pyotp.TOTP:
    """The authenticator app of a new user."""
    body = {"username": f"user{number}", "email": f"user{number}@example.com", "password": servers.PASSWORD}
    token = client.send("/auth/register", body, expected=201)["data"]["access_token"]
    app = pyotp.TOTP(client.send("/auth/factors/totp", {}, token, expected=201)["data"]["secret"])
    client.send("/auth/factors/totp/confirm", {"code": app.now()}, token)
    return app
