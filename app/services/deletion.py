"""The end of an account: first one write, after which it is nobody's any more, then the purge of what hung on it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from app.errors import Failure, LastAdmin, SessionEnded, Unavailable
from app.models.account import Account
from app.services.accounts import in_new_epoch
from app.services.credentials import refuse_if_changed
from app.services.permissions import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.models.account import UndoOffer
    from app.models.store import Store
    from app.models.user import User
    from app.services.accounts import Accounts
    from app.services.credentials import CredentialService
    from app.services.devices import Device

_AT_ONCE = 500
"""Rows a statement deletes or changes, so that none takes longer than a store has to answer."""
_WITH_THE_REPLY = 8
"""Such statements that the client waits for: the courier does the rest, however much it is."""


@dataclass(frozen=True, slots=True)
class DeletionService:
    """Deletes accounts."""

    store: Store
    accounts: Accounts
    credentials: CredentialService

    def delete(self, user_id: str, password: str, device: Device) -> None:
        """Delete the user's own account. Raises WrongPassword, TooManyRequests, or LastAdmin."""
        verified = self.credentials.confirm(user_id, password)

        def confirmed(account: Account) -> Account:
            refuse_if_changed(account, since=verified)
            return self.accounts.with_warning(account, "account_deleted", device)

        self.delete_if(user_id, confirmed, action="user.deleted")

    def delete_if(
        self,
        user_id: str,
        check: Callable[[Account], Account],
        *,
        action: str,
        missing: type[Failure] = SessionEnded,
    ) -> None:
        """Delete an active account that `check` lets pass, which may add a last mail to it.

        Raises `missing` if there is none, LastAdmin, and what `check` raises.
        """
        offers: list[UndoOffer] = []

        def deleted(account: Account) -> Account:
            offers[:] = account.undo_offers
            checked = check(account)
            return replace(
                in_new_epoch(Account(_nobody(account.user), None, account.auth_epoch)),
                # Not what was to be told to an account that is no more, but the last words.
                notices=tuple(notice for notice in checked.notices if notice not in account.notices),
                due_at=self.accounts.clock(),
                revision=account.revision,
            )

        roles = self._step_down(user_id, check, missing)
        try:
            account = self.accounts.change(user_id, deleted, missing=missing)
        except Failure:
            self._give_back(user_id, roles)
            raise
        self.accounts.mail_waits.set()
        self.accounts.audit.record_end(user_id, action)
        self.accounts.release(account, offers)
        with suppress(Unavailable):  # the account is gone all the same, and the courier tries again
            for _ in islice(self._purge(user_id), _WITH_THE_REPLY):
                pass

    def purge(self, user_id: str) -> None:
        """Delete what hangs on a deleted user, and take all but the identifier from their audit events; idempotent."""
        for _ in self._purge(user_id):
            pass

    def _purge(self, user_id: str) -> Iterator[None]:
        """The same in pieces, one for each step."""
        while self.store.sessions.end_some_of(user_id, _AT_ONCE) == _AT_ONCE:
            yield
        yield
        while self.store.sample_products.remove_some_of(user_id, _AT_ONCE) == _AT_ONCE:
            yield
        yield
        behind: str | None = None
        while behind := self.store.events.anonymise_some(user_id, after=behind, limit=_AT_ONCE):
            yield

    def _step_down(
        self, user_id: str, check: Callable[[Account], Account], missing: type[Failure]
    ) -> tuple[str, ...] | None:
        """Take the administrator's role from a user who is to be deleted; raises LastAdmin if nobody else has it.

        Gives the roles that he had before; None if there was nothing to take.

        First taken, then looked, then perhaps given back: of two administrators who go at the same time both may be
        refused, but never both let go.
        """

        def stepped_down(account: Account) -> Account:
            check(account)
            remaining = tuple(role for role in account.user.roles if role != ADMINISTRATOR)
            return replace(account, user=replace(account.user, roles=remaining))

        before = self.store.users.account(user_id)
        if before is None or ADMINISTRATOR not in before.user.roles:
            return None
        self.accounts.change(user_id, stepped_down, missing=missing)
        if not self.store.users.any_with_role(ADMINISTRATOR):
            self._give_back(user_id, before.user.roles)
            raise LastAdmin
        return before.user.roles

    def _give_back(self, user_id: str, roles: tuple[str, ...] | None) -> None:
        """Give a user who stays after all the roles that he had; nothing if he is gone."""
        if roles is not None:
            with suppress(Failure):
                self.accounts.change(user_id, lambda account: _with_roles(account, roles))


def _with_roles(account: Account, roles: tuple[str, ...]) -> Account:
    return replace(account, user=replace(account.user, roles=roles))


def _nobody(user: User) -> User:
    """What is left of a user: that there was one."""
    return replace(
        user, email=None, email_verified=False, username=None, name=None, roles=(), status="deleted", last_login_at=None
    )
