"""Creating, changing and deleting roles."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.platform.errors import FieldError, Forbidden, NotFound, RoleExists, RoleInUse, Unavailable, ValidationFailed
from app.roles.authority import require_authority, require_permission
from app.roles.model import ADMINISTRATOR, BUILT_IN, CHANGE_ROLES, Role, RoleBook
from app.store.codec import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.audit.service import Audit
    from app.platform.devices import Device
    from app.roles.authority import Authority
    from app.roles.model import RoleBooks, RoleHolders
    from app.web.caller import Caller

_SAMPLES: Final = Path(__file__).parent / "samples.json"
_CODEC: Final = Codec(Role)
_ATTEMPTS: Final = 100


@dataclass(frozen=True, slots=True)
class RoleChanges:
    """New permissions and a new requirement, unless they are None, and a new description, if `describes`."""

    permissions: tuple[str, ...] | None
    description: str | None
    describes: bool
    require_second_factor: bool | None = None


@dataclass(frozen=True, slots=True)
class RoleEditor:
    """Changes the book of roles. `defaults` are the roles of new users; `administrators_need_factor` says whether the
    settings ask them for a second factor."""

    books: RoleBooks
    holders: RoleHolders
    authority: Authority
    audit: Audit
    declared: frozenset[str]
    defaults: tuple[str, ...]
    administrators_need_factor: bool = False

    def listed(self) -> tuple[Role, ...]:
        """The roles that users can have, the administrator's first, then by name."""
        book = self.books.load()
        required = self.administrators_need_factor
        everything = Role(ADMINISTRATOR, tuple(sorted(self.declared)), "Everything.", require_second_factor=required)
        return (everything, *book.listed())

    def create(self, role: Role, by: Caller, device: Device) -> Role:
        """Add a role.

        Raises RoleExists, ValidationFailed for a permission that does not exist, and Forbidden for one that `by` does
        not hold.
        """
        self._require_declared(role.permissions)

        def created(book: RoleBook, held: frozenset[str]) -> RoleBook:
            if role.name in BUILT_IN or role.name in book.roles:
                raise RoleExists
            require_authority(held, frozenset(role.permissions))
            return book.with_role(role)

        self._write_for(by, created)
        required = _told(None, role.require_second_factor)
        self._record(by, "role.created", device, role=role.name, permissions=",".join(role.permissions), **required)
        return role

    def change(self, name: str, changes: RoleChanges, by: Caller, device: Device) -> Role:
        """Change a role; it works on the next request of all who have it.

        Raises NotFound, ValidationFailed for a permission that does not exist, and Forbidden if `by` does not hold all
        permissions that the role has or shall have, or if it is the administrator's.
        """
        self._require_declared(changes.permissions or ())
        if name == ADMINISTRATOR:
            raise Forbidden("The role admin is built in: it always holds every permission.")
        roles: list[Role] = []

        def changed(book: RoleBook, held: frozenset[str]) -> RoleBook:
            before = self._existing(book, name)
            required = changes.require_second_factor
            after = replace(
                before,
                permissions=before.permissions if changes.permissions is None else changes.permissions,
                description=changes.description if changes.describes else before.description,
                require_second_factor=before.require_second_factor if required is None else required,
            )
            require_authority(held, frozenset(before.permissions) | frozenset(after.permissions))
            roles[:] = [before, after]
            return book if after == before else book.with_role(after)

        self._write_for(by, changed)
        before, after = roles
        if after != before:
            had, has = frozenset(before.permissions), frozenset(after.permissions)
            added, removed = ",".join(sorted(has - had)), ",".join(sorted(had - has))
            required = _told(before.require_second_factor, after.require_second_factor)
            self._record(by, "role.changed", device, role=name, added=added, removed=removed, **required)
        return after

    def delete(self, name: str, by: Caller, device: Device) -> None:
        """Delete a role that nobody has.

        Raises NotFound, RoleInUse, and Forbidden if it is built in or `by` does not hold all of its permissions.
        """
        if name in BUILT_IN:
            raise Forbidden(f"The role {name} is built in: it cannot be deleted.")

        def retired(book: RoleBook, held: frozenset[str]) -> RoleBook:
            # One that is retired already was left so by a crash: its deletion goes on here.
            role = book.role(name)
            if role is None:
                raise NotFound
            require_authority(held, frozenset(role.permissions))
            if name in self.defaults:
                raise RoleInUse("New users get this role: it is one of DEFAULT_ROLES.")
            # Looked at before, too, so that an attempt takes nothing from the users of the role.
            if not role.retired and self.holders.is_role_held(name):
                raise RoleInUse
            return book if role.retired else book.with_retired(name, retired=True)

        self._write_for(by, retired)
        if not self._settle(name):
            raise RoleInUse
        self._record(by, "role.deleted", device, role=name)

    def install_samples(self) -> tuple[list[str], list[str]]:
        """Add the sample roles that do not exist; returns the names of these, and of those that did exist.

        One that exists stays as it is, whoever changed it.
        """
        samples = [_CODEC.entity(role) for role in json.loads(_SAMPLES.read_text(encoding="utf-8"))]
        added: list[str] = []

        def installed(book: RoleBook) -> RoleBook:
            missing = [role for role in samples if role.name not in book.roles]
            added[:] = [role.name for role in missing]
            if not missing:
                return book
            return RoleBook(book.version + 1, {**book.roles, **{role.name: role for role in missing}})

        self._write(installed)
        return added, [role.name for role in samples if role.name not in added]

    def declare(self, roles: Iterable[Role]) -> dict[str, list[str]]:
        """Make these roles what they are declared to be, for the operator, in one write; the others stay.

        Returns the names of those that were `added`, `changed` and `kept`. Raises ValidationFailed for a permission
        that does not exist, or for the administrator's role.
        """
        wanted = list(roles)
        self._require_declared(permission for role in wanted for permission in role.permissions)
        if any(role.name == ADMINISTRATOR for role in wanted):
            message = "The role admin is built in: it always holds every permission."
            raise ValidationFailed(fields=(FieldError("roles", "built_in", message),))
        outcome: dict[str, list[str]] = {}

        def declared(book: RoleBook) -> RoleBook:
            outcome.update(added=[], changed=[], kept=[])
            changed = book
            for role in wanted:
                before = book.role(role.name)
                after = _declared(role, before)
                known = "added" if before is None or before.retired else "kept" if before == after else "changed"
                outcome[known].append(role.name)
                changed = changed if known == "kept" else changed.with_role(after)
            return book if changed is book else replace(changed, version=book.version + 1)

        self._write(declared)
        return outcome

    def settle_retired(self) -> int:
        """End the deletions that a crash interrupted; returns how many."""
        retired = [role.name for role in self.books.load().roles.values() if role.retired]
        for name in retired:
            self._settle(name)
        return len(retired)

    def _settle(self, name: str) -> bool:
        """Delete a retired role if nobody has it, or else bring it back; whether it is gone.

        Whoever gives it to a user looks at the book again after that, and takes it back if it was retired meanwhile. So
        either the user is found here, or they lose the role again, or both.
        """
        held = self.holders.is_role_held(name)

        def settled(book: RoleBook) -> RoleBook:
            role = book.roles.get(name)
            if role is None or not role.retired:  # another deletion was faster
                return book
            return book.with_retired(name, retired=False) if held else book.without_role(name)

        return name not in self._write(settled).roles

    def _write_for(self, by: Caller, change: Callable[[RoleBook, frozenset[str]], RoleBook]) -> None:
        """Replace the book for a caller, with what they may do right before the write; `change` raises to refuse."""

        def changed(book: RoleBook) -> RoleBook:
            held = self.authority.held_by(by)
            require_permission(held, CHANGE_ROLES)
            return change(book, held)

        self._write(changed)

    def _write(self, change: Callable[[RoleBook], RoleBook]) -> RoleBook:
        """Replace the book; `change` may be called again. Returns the book as it is now."""
        for _ in range(_ATTEMPTS):
            book = self.books.load()
            changed = change(book)
            if changed is book or self.books.save(changed):
                return changed
        raise Unavailable(retry_after=1)

    def _existing(self, book: RoleBook, name: str) -> Role:
        role = book.role(name)
        if role is None or role.retired:
            raise NotFound
        return role

    def _require_declared(self, permissions: Iterable[str]) -> None:
        if unknown := [each for each in permissions if each not in self.declared]:
            raise ValidationFailed(
                fields=tuple(
                    FieldError("permissions", "unknown_permission", f"There is no permission {each}.")
                    for each in unknown
                )
            )

    def _record(self, by: Caller, action: str, device: Device, **details: str) -> None:
        """Record what was done to a role, which is nobody's: among the events of whoever did it."""
        self.audit.record(by.subject, action, device, **details)


def _declared(role: Role, before: Role | None) -> Role:
    """A role as it is declared; what the declaration does not say stays as it is."""
    if before is None:
        return replace(role, description=role.description or None)
    required = before.require_second_factor if role.require_second_factor is None else role.require_second_factor
    return replace(role, description=role.description or before.description, require_second_factor=required)


def _told(before: bool | None, after: bool | None) -> dict[str, str]:  # noqa: FBT001 - what a role said, and says
    """What the event of a change says of the requirement: nothing if it stays as it is."""
    return {} if bool(before) is bool(after) else {"require_second_factor": "on" if after else "off"}
