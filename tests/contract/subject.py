"""What the contract suite needs from each store: the store itself, and direct access beside its operations."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.accounts.model import Status
from app.platform.clock import Clock
from app.wiring import Wired
from tests.servers.process import Server
from tests.stores import Store


class ChangeUser(Protocol):
    """Changes a user directly, whatever the revision; None leaves a field unchanged."""

    def __call__(
        self,
        user_id: str,
        *,
        status: Status | None = None,
        auth_epoch: int | None = None,
        kept_session: str | None = None,
    ) -> None: ...


class Tamper(Protocol):
    """Changes the fields of a row or document with this key behind the back of the store; without any, deletes it."""

    def __call__(self, table: str, key: str | int, **fields: object) -> None: ...


class Start(Protocol):
    """Puts the parts of an instance together over the store of a test, with these settings besides those of tests."""

    def __call__(self, *, clock: Clock | None = None, **settings: str) -> Wired: ...


@dataclass(frozen=True)
class Subject:
    """A store under test, prepared (`Store.prepare`), with what the tests do beside its operations.

    `make` gives another store over the same data and can be pickled, for other processes; None if the data are in this
    one only. `clear` empties all collections or tables, quickly.
    """

    store: Store
    make: Callable[[], Store] | None
    clear: Callable[[], None]
    change_user: ChangeUser
    tamper: Tamper


@dataclass(frozen=True)
class Fragile:
    """A store on a server that a test may stop and freeze; the test brings it back."""

    store: Store
    clear: Callable[[], None]
    server: Server
