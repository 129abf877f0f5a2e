"""The end of an account: first one write, after which it is nobody's any more, then the purge of what hung on it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from app.errors import Failure, LastAdmin, SessionEnded, Unavailable
from app.models.account import Account
from app.services.accounts import CLAIMED_FOR, in_new_epoch
from app.services.credentials import refuse_if_changed
from app.services.permissions import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from app.devices import Device
    from app.models.account import UndoOffer
    from app.models.principal import Principal
    from app.models.user import User
    from app.services.accounts import Accounts
    from app.services.credentials import CredentialService

_LEAVING = "admin:leaving"
"""What stands among the roles of an administrator who is about to be deleted. It permits nothing, and no role can have
this name."""
Eraser: TypeAlias = "Callable[[str], Iterator[None]]"
"""Erases what hangs on a user, given the user's identifier, a piece at each step; idempotent."""
_WITH_THE_REPLY = 8
"""Such statements that the client waits for: the courier does the rest, however much it is."""


@dataclass(frozen=True, slots=True)
class DeletionService:
    """Deletes accounts."""

    accounts: Accounts
    credentials: CredentialService
    erasers: tuple[Eraser, ...]

    def delete(self, principal: Principal, password: str, device: Device) -> None:
        """Delete the user's own account.

        Raises WrongPassword, TooManyRequests, LastAdmin; SessionEnded if the session of `principal` ended meanwhile.
        """
        verified = self.credentials.confirm(principal.user.id, password)

        def confirmed(account: Account) -> Account:
            refuse_if_changed(account, since=verified)
            return self.accounts.with_warning(account, "account_deleted", device)

        self.delete_if(principal.user.id, confirmed, device, action="user.deleted", by=principal)

    def delete_if(
        self,
        user_id: str,
        check: Callable[[Account], Account],
        device: Device,
        *,
        action: str,
        by: Principal | None = None,
        missing: type[Failure] = SessionEnded,
    ) -> None:
        """Delete an active account that `check` lets pass, which may add a last mail to it.

        Owners of former addresses who may take the change of it back can bring the account back until their offers
        expire: they are told, and their addresses stay held. Raises `missing` if there is no such account, LastAdmin,
        what `check` raises, and SessionEnded if the session of `by`, which asks for it, ended meanwhile.
        """
        ended: list[UndoOffer] = []
        claimed_until = self.accounts.clock() + CLAIMED_FOR

        def deleted(account: Account) -> Account:
            checked, now = check(account), self.accounts.clock()
            offers = tuple(offer for offer in account.undo_offers if offer.proven and offer.expires_at > now)
            ended[:] = [offer for offer in account.undo_offers if offer not in offers]
            gone = replace(
                in_new_epoch(Account(_nobody(account.user, may_return=bool(offers)), None, account.auth_epoch)),
                undo_offers=offers,
                # Not what was to be told to an account that is no more, but the last words.
                notices=tuple(notice for notice in checked.notices if notice not in account.notices),
                # Mail waits for the purge behind this write: whoever brings the account back loses nothing to it.
                due_at=claimed_until,
                revision=account.revision,
            )
            for offer in offers:
                gone = self.accounts.with_notice(
                    gone, "deletion_undo", offer.email, code_id=offer.id, ip=device.ip, device=device.name
                )
            return gone

        self._step_down(user_id, check, by, missing)
        try:
            account = self.accounts.change(user_id, deleted, by=by, missing=missing)
        except Failure:
            self._give_back(user_id)
            raise
        self.accounts.audit.record_end(user_id, action)
        self.accounts.release(account, ended)
        with suppress(Unavailable):  # the account is gone all the same, and the courier does what is left
            for _ in islice(self._purge(user_id), _WITH_THE_REPLY):
                pass
            self._end_claim(user_id, claimed_until)

    def purge(self, user_id: str) -> None:
        """Delete what hangs on a deleted user, and take all but the identifier from their audit events; idempotent."""
        for _ in self._purge(user_id):
            pass

    def _purge(self, user_id: str) -> Iterator[None]:
        """The same in pieces, one for each step."""
        for erase in self.erasers:
            yield from erase(user_id)

    def _end_claim(self, user_id: str, claimed_until: datetime) -> None:
        """Let the mail go out, once the purge is done."""

        def due(account: Account) -> Account:
            return replace(account, due_at=self.accounts.clock()) if account.due_at == claimed_until else account

        with suppress(SessionEnded):  # gone already
            self.accounts.change(user_id, due, among=("deleted", "active"))
        self.accounts.mail_waits.set()

    def _step_down(
        self, user_id: str, check: Callable[[Account], Account], by: Principal | None, missing: type[Failure]
    ) -> None:
        """Take the administrator's role from a user who is to be deleted; raises LastAdmin if nobody else has it.

        First taken, then looked, then perhaps given back: of two administrators who go at the same time both may be
        refused, but never both let go. Meanwhile `_LEAVING` stands in its place, so that what is given back is what was
        taken: whoever sets the roles of the user in between has the last word.
        """

        def stepped_down(account: Account) -> Account:
            check(account)
            return _with_role_replaced(account, ADMINISTRATOR, _LEAVING)

        before = self.accounts.users.account(user_id)
        if before is None or ADMINISTRATOR not in before.user.roles:
            return
        self.accounts.change(user_id, stepped_down, by=by, missing=missing)
        if not self.accounts.users.any_with_role(ADMINISTRATOR):
            self._give_back(user_id)
            raise LastAdmin

    def _give_back(self, user_id: str) -> None:
        """Give a user who stays after all the administrator's role back, if it was taken for leaving."""
        with suppress(Failure):
            self.accounts.change(user_id, lambda account: _with_role_replaced(account, _LEAVING, ADMINISTRATOR))


def _with_role_replaced(account: Account, role: str, by: str) -> Account:
    roles = tuple(by if each == role else each for each in account.user.roles)
    return replace(account, user=replace(account.user, roles=roles))


def _nobody(user: User, *, may_return: bool) -> User:
    """What is left of a user: that there was one, and, for one who may return, which roles they had.

    The administrator's role does not return: there is another administrator, who can give it anew.
    """
    roles = tuple(role for role in user.roles if role not in {ADMINISTRATOR, _LEAVING}) if may_return else ()
    return replace(
        user,
        email=None,
        email_verified=False,
        username=None,
        name=None,
        roles=roles,
        status="deleted",
        last_login_at=None,
    )
