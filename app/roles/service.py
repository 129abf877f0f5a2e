"""What users may do: permissions are named `resource:action` and declared by the features; roles are sets of them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from app.roles.model import ADMINISTRATOR, RoleBook

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.roles.model import RoleBooks


class Roles:
    """The roles, and what each permits. It keeps those that it last loaded, and loads them when their version changes.

    The store tells their version with each session that it finds live, in the same round trip. So a change of a role
    works on the next request everywhere, and costs no request anything.
    """

    def __init__(self, books: RoleBooks, declared: frozenset[str]) -> None:
        """`declared` are the permissions of all features."""
        self._books = books
        self.declared = declared
        self._rights = _Rights(RoleBook(), declared)

    def permissions_of(self, roles: tuple[str, ...], version: int | None = None) -> frozenset[str]:
        """All that these roles permit together. A role that does not exist permits nothing.

        `version` is that of the roles, as the store told it with the user; without it, the store is asked.
        """
        return self._rights_at(version).permissions_of(roles)

    def require_second_factor(self, roles: Iterable[str]) -> bool:
        """Whether one of these roles asks for a second factor at each login, by what the store says now."""
        found = map(self._rights_at(None).book.role, roles)
        return any(role is not None and not role.retired and role.require_second_factor for role in found)

    def narrowed_since(self, roles: tuple[str, ...], since: int, version: int | None = None) -> bool:
        """Whether one of these roles lost a permission after the version `since`, even if it has it again.

        `version` as for `permissions_of`.
        """
        return self._rights_at(version).book.narrowed_since(roles, since)

    def names(self) -> list[str]:
        """The names of all roles that users can have."""
        return sorted({ADMINISTRATOR, *(role.name for role in self._books.load().listed())})

    def unknown(self, roles: Iterable[str]) -> list[str]:
        """Those of these roles that nobody can have, since they do not exist, or are about to be deleted."""
        book = self._books.load()
        return sorted({role for role in roles if not book.exists(role)})

    def _rights_at(self, version: int | None) -> _Rights:
        rights = self._rights
        if rights.book.version != version:
            book = self._books.load()
            if book != rights.book:
                self._rights = rights = _Rights(book, self.declared)
        return rights


class _Rights:
    """What the roles of one book permit."""

    def __init__(self, book: RoleBook, declared: frozenset[str]) -> None:
        self.book = book
        # A newer version, which runs beside this one, may have given roles permissions that only it knows.
        self._all = declared.union(*(role.permissions for role in book.roles.values()))
        self.permissions_of = lru_cache(maxsize=256)(self._permissions_of)

    def _permissions_of(self, roles: tuple[str, ...]) -> frozenset[str]:
        return frozenset[str]().union(*map(self._permitted, roles))

    def _permitted(self, name: str) -> frozenset[str]:
        if name == ADMINISTRATOR:
            return self._all
        role = self.book.role(name)
        return frozenset() if role is None or role.retired else frozenset(role.permissions)
