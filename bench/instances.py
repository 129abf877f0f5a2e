"""The servers of one run, each started on first use."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Self

from bench import servers
from bench.authorization import Logins
from bench.passkeys import Passkeys
from bench.second_factors import Totp
from tests.api.authenticator import ORIGIN
from tests.servers import mongo, postgres
from tests.servers.process import own_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.process import Server
    from tests.servers.service import Service

USERS = 60
"""Accounts in the database: a page shows 50 of them."""
OTHER = 1
"""An account other than number 0, whose many logins end its oldest sessions."""


class Instances:
    """A context manager: at its end, what was started inside is stopped, and its databases are deleted."""

    folder: Path
    """Where the databases and the log are."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.folder = self._stack.enter_context(own_folder())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def settings(self) -> dict[str, str]:
        """The settings of an instance on a SQLite database with accounts; number 0 has logged in."""
        settings = servers.production(self.folder, {"DATABASE_URL": f"sqlite:///{self.folder}/latchkey.db"})
        with servers.service(servers.quick(settings)) as service:
            for number in range(USERS):
                servers.register(service.port, number)
        with servers.service(settings) as service:
            servers.log_in(service.port, 0)  # which upgrades its hash to production's cost
        return settings

    @cached_property
    def floor(self) -> Server:
        """A bare Flask under stock gunicorn."""
        return self._stack.enter_context(servers.floor(self.settings))

    @cached_property
    def on_sqlite(self) -> Service:
        """The service on SQLite."""
        return self._stack.enter_context(servers.service(self.settings))

    @cached_property
    def with_cheap_hashes(self) -> Service:
        """The service on SQLite, at bcrypt cost 4, with account 0."""
        store = {"DATABASE_URL": f"sqlite:///{self.folder}/cheap.db"}
        service = self._stack.enter_context(servers.service(servers.quick(servers.production(self.folder, store))))
        servers.register(service.port, 0)
        return service

    @cached_property
    def with_apps(self) -> tuple[Service, Totp]:
        """The service on SQLite, at bcrypt cost 4, and the authenticator apps of its users."""
        database = self.folder / "apps.db"
        settings = servers.production(self.folder, {"DATABASE_URL": f"sqlite:///{database}"})
        settings |= {"MAIL_DIR": str(self.folder / "apps-mail")}
        service = self._stack.enter_context(servers.service(servers.quick(settings)))
        return service, Totp(service, database)

    @cached_property
    def passkeys_on_sqlite(self) -> Passkeys:
        """The passkeys of users of a service on SQLite."""
        return self._passkeys({"DATABASE_URL": f"sqlite:///{self.folder}/passkeys.db"})

    @cached_property
    def passkeys_on_postgres(self) -> Passkeys:
        """The passkeys of users of a service on PostgreSQL."""
        return self._passkeys({"DATABASE_URL": self._stack.enter_context(postgres.postgres_server()).url})

    @cached_property
    def logins_at_pages(self) -> Logins:
        """Users who are logged in at the pages of a service on SQLite, and a client of it."""
        settings = servers.quick(
            servers.production(self.folder, {"DATABASE_URL": f"sqlite:///{self.folder}/oauth.db"})
        ) | {"MAIL_DIR": str(self.folder / "oauth-mail")}
        return Logins.of_new_users(self._stack.enter_context(servers.service(settings)), settings)

    def _passkeys(self, store: dict[str, str]) -> Passkeys:
        settings = servers.quick(servers.production(self.folder, store)) | {
            "PUBLIC_URL": ORIGIN,
            "MAIL_DIR": str(self.folder / "passkeys-mail"),
        }
        return Passkeys.of_new_users(self._stack.enter_context(servers.service(settings)))

    @cached_property
    def without_limits(self) -> Service:
        """The service on SQLite, at bcrypt cost 4 and without the login throttle, with USERS accounts."""
        settings = servers.quick(
            servers.production(self.folder, {"DATABASE_URL": f"sqlite:///{self.folder}/limitless.db"})
        )
        settings |= {"RATE_LIMITS": "off", "MAIL_DIR": str(self.folder / "mail")}
        service = self._stack.enter_context(servers.service(settings))
        for number in range(USERS):
            servers.register(service.port, number)
        return service

    @cached_property
    def on_mongo(self) -> Service:
        """The service on MongoDB, or on a server that speaks its protocol, with the accounts 0 and OTHER."""
        uri = self._stack.enter_context(mongo.open_mongo()).create_database()
        service = self._stack.enter_context(servers.service(servers.production(self.folder, {"MONGO_URI": uri})))
        for number in (0, OTHER):
            servers.register(service.port, number)
        return service
