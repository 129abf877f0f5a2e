"""The service under test: the application over a database, with a clock that the tests set, and a client."""

import json as json_
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from tempfile import TemporaryDirectory
from threading import Barrier, Event
from typing import Any, Protocol, TypeVar, cast

from flask import Flask
from werkzeug.test import TestResponse

from app import config, create_app, wired_of
from app.accounts.registration import NewAccount, RegistrationService
from app.config.settings import definitions
from app.keys.service import KeyService
from app.mail.maildir import SentMail, newest
from app.outbox.service import Outbox
from app.platform import clock as system
from app.security.hash_pool import HashPool
from app.wiring import Wired
from tests.api.conventions import Conventions
from tests.api.databases import Database
from tests.contract.races import THREADS, in_threads
from tests.stores import Store

PASSWORD = "correct horse battery staple"
UNLIMITED = dict.fromkeys(definitions()["limits"], "1000000/minute")
"""Rate limits that no test reaches by chance: all of them come from one address."""
SETTINGS = {
    "FLASK_ENV": "testing",
    "SECRET_KEY": "kX9vQ2mZ7tR4wL8pN3yB6hJ1sD5fG0aC-uE_iO",
    "BCRYPT_COST": "4",
    "HASH_THREADS": "2",
    "LOGIN_BY_MAIL": "on",
    **UNLIMITED,
}
_NUMBERS = count(1)
T = TypeVar("T")


class FakeClock:
    """Stands still until a test sets it. If a test sets `at_each_call`, that is called before each reading."""

    def __init__(self) -> None:
        # Not a date of the past: a real MongoDB would delete by its own clock what has expired.
        self.now = system.now()
        self.at_each_call: Callable[[], None] = lambda: None

    def __call__(self) -> datetime:
        self.at_each_call()
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Account:
    """A user who is logged in; `data` is what the registration or the login returned."""

    data: dict[str, Any]
    email: str
    username: str
    password: str = PASSWORD

    @property
    def id(self) -> str:
        return str(self.data["user"]["id"])

    @property
    def token(self) -> str:
        return str(self.data["access_token"])

    @property
    def refresh_token(self) -> str:
        return str(self.data["refresh_token"])


class Reply(TestResponse):
    """A reply to the client; its JSON is untyped."""

    json: Any


class Service:
    """An instance of the service, and a client that can send anything.

    Each reply is checked against what the contract promises of all replies, and against the OpenAPI document.
    """

    def __init__(self, app: Flask, clock: FakeClock, database: Database) -> None:
        self.app = app
        self.clock = clock
        self.database = database
        self.conventions = Conventions(app)
        self._mails: list[SentMail] = []
        self._read: set[str] = set()

    @property
    def wired(self) -> Wired:
        """What the application is made of."""
        return wired_of(self.app)

    @property
    def store(self) -> Store:
        return Store(self.wired.store)

    def send(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        body: bytes | None = None,
        content_type: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: str | None = None,
        environ: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Send a request. `json` is encoded as it is, `body` sent as it is; `token` goes into Authorization.

        `environ` overrides what the server would hand over: the peer's address, or a header no library would send.
        """
        sent = dict(headers or {})
        if json is not None:
            body, content_type = json_.dumps(json).encode(), content_type or "application/json"
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        response = self.app.test_client(use_cookies=False).open(
            path,
            method=method,
            data=body,
            content_type=content_type,
            headers=sent,
            query_string=query,
            environ_overrides=dict(environ or {}),
            buffered=True,  # as a server does, to the end: some work is done after the reply
        )
        self.conventions.check(response)
        return cast("Reply", response)

    def at_once(self, act: Callable[[int], T], many: int = THREADS) -> list[T]:
        """The results of `act(number)` in many threads that begin together."""
        return in_threads(act, many)

    def sent_mails(self) -> list[SentMail]:
        """What was mailed, the newest first. A mail that was read before is not parsed again."""
        folder = self.wired.settings.mail.folder
        files = {file.name for file in folder.glob("new/*")}
        # Only the oldest are dropped.
        self._mails = (newest(folder, len(files - self._read)) + self._mails)[: len(files)]
        self._read = files
        return list(self._mails)

    def get(self, path: str, **more: Any) -> Reply:
        return self.send("GET", path, **more)

    def post(self, path: str, json: object = None, **more: Any) -> Reply:
        return self.send("POST", path, json=json, **more)

    def login(self, name: str, password: str = PASSWORD, **more: Any) -> Reply:
        return self.post("/auth/login", {"login": name, "password": password}, **more)

    def register(self, password: str = PASSWORD, email: str | None = None) -> Account:
        """Register a new member, with names that nobody has."""
        new_email, username = new_names()
        email = email or new_email
        response = self.post("/auth/register", {"email": email, "username": username, "password": password})
        assert response.status_code == 201, response.text
        return Account(response.json["data"], email, username, password)

    def administrator(self) -> Account:
        """Make an administrator, as `flask users create --role admin` does, and log in."""
        email, username = new_names()
        account = NewAccount(password=PASSWORD, email=email, username=username)
        self.wired.get(RegistrationService).register(account, roles=("admin",))
        return Account(self.login(email).json["data"], email, username)

    def administrators(self) -> list[str]:
        """The identifiers of all active administrators."""
        users = self.store.users.page(after=None, limit=10_000, active_only=True)
        return [user.id for user in users if "admin" in user.roles]

    def hidden_account(self) -> Account:
        """Register where accounts are hidden, answer the mail, and log in."""
        email, username = new_names()
        body = {"email": email, "username": username, "password": PASSWORD}
        assert self.post("/auth/register", body).status_code == 202
        self.wired.get(Outbox).deliver_due()
        text = next(mail.text for mail in self.sent_mails() if mail.to == email)
        (token,) = set(re.findall(r"#token=([A-Za-z0-9_-]+)", text))
        assert self.post("/auth/email/verify", {"token": token}).status_code == 200
        return Account(self.login(email).json["data"], email, username)


class Start(Protocol):
    """Starts an instance with these settings, on a new database, or on that of another and with its clock."""

    def __call__(self, *, on: Service | None = None, **settings: str) -> Service: ...


@contextmanager
def running(database: Database, clock: FakeClock, **settings: str) -> Iterator[Service]:
    """An instance on this database, ready to serve."""
    folder = TemporaryDirectory(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))  # in memory: each mail is synced
    chosen = SETTINGS | {"MAIL_DIR": f"{folder.name}/mail"} | database.settings | settings
    app = create_app(config.load(chosen, dotenv=None), clock=clock)
    service = Service(app, clock, database)
    try:
        service.wired.store.prepare()
        service.wired.get(KeyService).ensure()
        yield service
    finally:
        service.wired.close()
        folder.cleanup()


@contextmanager
def occupied(service: Service) -> Iterator[None]:
    """Keeps every thread that hashes passwords busy."""
    pool, release = service.wired.get(HashPool), Event()
    threads = service.wired.settings.passwords.hash_threads
    begun = Barrier(threads + 1)

    def wait() -> None:
        begun.wait()
        release.wait()

    with ThreadPoolExecutor(threads) as callers:
        try:
            for _ in range(threads):
                callers.submit(pool.run, wait)
            begun.wait()
            yield
        finally:
            release.set()


def new_names() -> tuple[str, str]:
    """An e-mail address and a user name that nobody has."""
    number = next(_NUMBERS)
    return f"user{number}@example.com", f"name{number}"
