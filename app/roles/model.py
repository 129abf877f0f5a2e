"""Roles, and the operations of a store on them and on the guard of administrators."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the codec reads the annotation
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

ADMINISTRATOR: Final = "admin"
"""The role that permits everything; once a user has it, there is always a user who has it."""
MEMBER: Final = "member"
"""The role of every user, unless DEFAULT_ROLES says otherwise. At first it permits nothing but what every user may."""
CHANGE_ROLES: Final = "roles:write"
"""The permission to change roles, and who has them."""
BUILT_IN: Final = frozenset({ADMINISTRATOR, MEMBER})
"""The roles that are always there."""


@dataclass(frozen=True, slots=True)
class Role:
    """A set of permissions. One that is `retired` is about to be deleted: it permits nothing, and nobody gets it."""

    name: str
    permissions: tuple[str, ...] = ()
    description: str | None = None
    retired: bool = False
    require_second_factor: bool | None = None
    """Whether who has it logs in with a second factor; None if nobody ever said so: then it does not ask for one."""
    narrowed: int | None = field(default=None, compare=False)
    """The version of the book in which it last lost a permission; None if it never did. The book sees to it."""


@dataclass(frozen=True, slots=True)
class RoleBook:
    """All roles but the administrator's: one document, whose version rises with every write (1 is the first)."""

    version: int = 0
    roles: Mapping[str, Role] = field(default_factory=dict)

    def role(self, name: str) -> Role | None:
        """The role of this name, retired or not; None if there is none, or for the administrator's."""
        found = self.roles.get(name)
        return Role(MEMBER) if found is None and name == MEMBER else found

    def listed(self) -> tuple[Role, ...]:
        """The roles that are not retired, by name."""
        names = sorted({MEMBER, *self.roles})
        found = (self.role(name) for name in names)
        return tuple(role for role in found if role is not None and not role.retired)

    def exists(self, name: str) -> bool:
        """Whether users can have this role."""
        role = self.role(name)
        return name == ADMINISTRATOR or (role is not None and not role.retired)

    def with_role(self, role: Role) -> RoleBook:
        """The next version of the book, with this role in it, new or changed."""
        version, before = self.version + 1, self.roles.get(role.name)
        if before is not None:
            loses = not set(before.permissions) <= set(role.permissions)
            role = replace(role, narrowed=version if loses else before.narrowed)
        return RoleBook(version, {**self.roles, role.name: role})

    def narrowed_since(self, roles: Iterable[str], version: int) -> bool:
        """Whether one of these roles lost a permission after this version of the book, even if it has it again."""
        found = (self.roles.get(name) for name in roles)
        return any(role is not None and (role.narrowed or 0) > version for role in found)

    def without_role(self, name: str) -> RoleBook:
        """The next version of the book, without this role."""
        return RoleBook(self.version + 1, {each: role for each, role in self.roles.items() if each != name})

    def with_retired(self, name: str, *, retired: bool) -> RoleBook:
        """The next version of the book, with this role retired or back."""
        return self.with_role(replace(self.roles[name], retired=retired))


class RoleBooks(Protocol):
    """The operations of a store on the roles. Each raises `Unavailable` when the store does not answer."""

    def load(self) -> RoleBook:
        """The roles; version 0 before the first write."""

    def save(self, book: RoleBook) -> bool:
        """Replace the book whose version is one less than that of `book`.

        One atomic conditional write: False, and nothing changed, if another write was faster.
        """


@dataclass(frozen=True, slots=True)
class Guard:
    """Identifiers of users, kept beside the users because a rule is about several of them."""

    version: int
    ids: tuple[str, ...]

    def replaced_by(self, ids: Collection[str]) -> Guard:
        """The next version of the guard, with these identifiers."""
        return Guard(self.version + 1, tuple(sorted(ids)))


class Guards(Protocol):
    """The operations of a store on guards. Each raises `Unavailable` when the store does not answer."""

    def load(self, name: str) -> Guard | None:
        """The guard of this name; None if it was never saved."""

    def save(self, name: str, guard: Guard) -> bool:
        """Replace the guard whose version is one less than that of `guard` (1: there is none yet).

        One atomic conditional write: False, and nothing changed, if another write was faster.
        """


class RoleHolders(Protocol):
    """Where it is asked who has a role: implemented by the repository of users."""

    def confirm_role(self, user_id: str, role: str) -> bool:
        """Whether an active person has this role; if so, their account's revision is raised, in one conditional write.

        So a change of that account which is under way is tried again, and sees what was decided meanwhile.
        """

    def is_role_held(self, role: str) -> bool:
        """Whether any user has this role, a person or a service account, whatever their status."""

    def some_with_role(self, role: str, after: str | None) -> tuple[list[str], str | None]:
        """The active people with this role among the next thousands after `after`; and where to go on, None at the end.

        It reads the users themselves, so it finds them whichever version wrote them.
        """


def all_with_role(users: RoleHolders, role: str) -> set[str]:
    """Every active person with this role."""
    found, after = set[str](), None
    while True:
        some, after = users.some_with_role(role, after)
        found.update(some)
        if after is None:
            return found
