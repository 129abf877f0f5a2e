"""How users are looked for: each operation reads a range of one index, whatever else is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from app.accounts.model import Status, User

KeyName = Literal["email_key", "username_key", "name_key"]
"""The fields in which a prefix can be looked for: each is a name in the form in which it is compared."""


@dataclass(frozen=True, slots=True)
class FoundUser:
    """A user, and their `..._key` fields, None for each that they lack."""

    user: User
    email_key: str | None = None
    username_key: str | None = None
    name_key: str | None = None

    def key(self, name: KeyName) -> str:
        """The field of this name, "" for one that they lack."""
        keys = {"email_key": self.email_key, "username_key": self.username_key, "name_key": self.name_key}
        return keys[name] or ""


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """What of a user is looked for, and what it is made of, as they are stored."""

    user_id: str
    name: str | None
    status: Status
    name_key: str | None
    listed_status: Status | None


class UserSearch(Protocol):
    """The operations of a store that find users, whatever their status unless they say otherwise.

    Each gives up to `limit`, behind the identifier `after` ("" for the beginning), in the order of identifiers. Each
    raises `Unavailable` when the store does not answer.
    """

    def by_id(self, after: str, limit: int) -> list[FoundUser]:
        """All users."""

    def by_status(self, status: Status, after: str, limit: int) -> list[FoundUser]:
        """Those with this status: disabled or invited."""

    def by_role(self, role: str, after: str, limit: int) -> list[FoundUser]:
        """Those with this role. In SQL not those whom only a former version wrote (`app.accounts.sql.USER_ROLES`)."""

    def by_key(self, name: KeyName, prefix: str, *, key: str, after: str, limit: int) -> list[FoundUser]:
        """Those whose key begins with `prefix`, in the order of key and identifier.

        They are behind the user with this `key` and the identifier `after`, "" both for the beginning.
        """

    def keys(self, after: str, limit: int) -> list[StoredKeys]:
        """The keys of all users."""

    def set_keys(self, keys: StoredKeys) -> None:
        """Replace the keys of a user who still has this name and status: one conditional write."""
