"""There is always an active administrator.

Whether another one is left depends on several accounts, and each is written by itself. So one document, the guard, has
the identifiers of active administrators. Who stops being one leaves it first, by one write that needs another to
remain in it; so of two who leave at the same time one is refused. Then their account is written. Who becomes one has
their account written first, and joins afterwards. So after a crash in between the guard names too few, and somebody may
be refused without need, but never does it let the last one go.

The guard alone is not trusted: it may name somebody whom the former version, which does not know it, deleted. So the
one who remains is confirmed, by a write that raises the revision of their account. The steps of `leave` run behind the
read of the leaving account and before its write. So if both leave, the account of the one who was confirmed was either
read before that, and its write fails; or it was read afterwards, and they find in the guard that the other has left.
That holds whatever the guard names.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.platform.errors import LastAdmin, Unavailable
from app.roles.model import ADMINISTRATOR, Guard, all_with_role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.roles.model import Guards, RoleHolders

GUARD: Final = "admins"
_ATTEMPTS: Final = 100


@dataclass(frozen=True, slots=True)
class Administrators:
    """Keeps the guard. `app.accounts.service.Accounts` calls it at each change of an account that concerns it."""

    guards: Guards
    users: RoleHolders

    @contextmanager
    def changing(self, user_id: str) -> Iterator[Change]:
        """While an account is changed, perhaps in several attempts; afterwards the guard is brought in step."""
        change = Change(self, user_id)
        try:
            yield change
        finally:
            with suppress(Unavailable):  # then the job does it
                change.end()

    def known(self) -> tuple[str, ...]:
        """The administrators whom the guard names: after a crash it may name some falsely, or too few, for an hour."""
        return self._guard().ids

    def leave(self, user_id: str) -> None:
        """Let an administrator stop being one, before the write that does it; raises LastAdmin if nobody else is left.

        After the write, call `left`, or `stay` if it failed.
        """
        others = self._write(lambda ids: self._without(ids, user_id)).ids
        for other in others:
            if self.users.confirm_role(other, ADMINISTRATOR):
                return
            self._drop(other)
        self.stay(user_id)
        raise LastAdmin

    def require_another(self, user_id: str) -> None:
        """Raise LastAdmin if the guard names nobody but this user. It changes nothing, so it says nothing for later."""
        self._without(frozenset(self._guard().ids), user_id)

    def left(self, user_id: str) -> None:
        """Note that a user is no administrator any more, should they have been added to the guard meanwhile."""
        self._drop(user_id)

    def stay(self, user_id: str) -> None:
        """Put back an administrator who stays after all."""
        if self.users.confirm_role(user_id, ADMINISTRATOR):
            self.join(user_id)

    def join(self, user_id: str) -> None:
        """Add a user who has become an administrator, after the write that did it."""
        self._write(lambda ids: ids | {user_id})
        if not self.users.confirm_role(user_id, ADMINISTRATOR):  # it did not last
            self._drop(user_id)

    def tend(self) -> int:
        """Add the administrators whom the guard misses after a crash, and drop whom it names falsely; how many."""
        if self.guards.load(GUARD) is None:
            self.guards.save(GUARD, Guard(1, tuple(sorted(self._all()))))
        there, named = self._all(), set(self._guard().ids)
        for user_id in there - named:
            self.join(user_id)
        gone = [user_id for user_id in named - there if not self.users.confirm_role(user_id, ADMINISTRATOR)]
        for user_id in gone:
            self._drop(user_id)
        return len(there - named) + len(gone)

    def _without(self, ids: frozenset[str], user_id: str) -> frozenset[str]:
        others = ids - {user_id}
        if not others:
            raise LastAdmin
        return others

    def _drop(self, user_id: str) -> None:
        self._write(lambda ids: ids - {user_id})

    def _write(self, change: Callable[[frozenset[str]], frozenset[str]]) -> Guard:
        """Replace what the guard names; `change` may be called again, and raises to refuse. Returns it as it is now."""
        for _ in range(_ATTEMPTS):
            guard = self._guard()
            before = frozenset(guard.ids)
            after = change(before)
            if after == before:
                return guard
            changed = guard.replaced_by(after)
            if self.guards.save(GUARD, changed):
                return changed
        raise Unavailable(retry_after=1)

    def _guard(self) -> Guard:
        """The guard; the first time, it is made of the administrators that there are."""
        return self.guards.load(GUARD) or Guard(0, tuple(sorted(self._all())))

    def _all(self) -> set[str]:
        return all_with_role(self.users, ADMINISTRATOR)


@dataclass(slots=True)
class Change:
    """A change of an account, as far as it concerns the guard. `saved` is set once the account is written."""

    administrators: Administrators
    user_id: str
    saved: bool = False
    _left: bool = False
    _leaves: bool = False
    _joins: bool = False

    def begin(self, *, was: bool, is_now: bool) -> None:
        """Before each attempt to write the account: whether its user `was` an administrator, and is to be one.

        Raises LastAdmin.
        """
        self._leaves, self._joins = was and not is_now, is_now and not was
        if self._leaves:
            # Not put back before the next attempt: others who want to leave would come in between, and so on.
            self._left = True
            self.administrators.leave(self.user_id)

    def end(self) -> None:
        """Afterwards."""
        if self.saved and self._leaves:
            self.administrators.left(self.user_id)
        elif self.saved and self._joins:
            self.administrators.join(self.user_id)
        elif self._left:
            self.administrators.stay(self.user_id)
