"""Deleting an account: first one write that takes it from its owner, then the purge of all that belongs to it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from app.accounts.credentials import refuse_if_changed
from app.accounts.model import Account
from app.accounts.service import CLAIMED_FOR, in_new_epoch
from app.platform.errors import Failure, LastAdmin, SessionEnded, Unavailable
from app.roles.permissions import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from app.accounts.credentials import CredentialService
    from app.accounts.model import UndoOffer, User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.feature import Eraser
    from app.platform.devices import Device

_LEAVING = "admin:leaving"
"""What stands among the roles of an administrator who is about to be deleted. It permits nothing, and no role can have
this name."""
_WITH_THE_REPLY = 8
"""Such statements that the client waits for; the courier does the rest, however much it is."""


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
        """Delete an active account that `check` accepts; `check` may add a last mail to it.

        Owners of former addresses with an undo offer can bring the account back until their offers expire: they get a
        mail, and their addresses stay held. Raises `missing` if there is no such account, LastAdmin, what `check`
        raises, and SessionEnded if `by`, the session that requests the deletion, ended meanwhile.
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
                # Only the mail that `check` added; what waited before concerns an account that is gone.
                notices=tuple(notice for notice in checked.notices if notice not in account.notices),
                # Mail waits for the purge after this write, so that the purge takes nothing from a returning user.
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
        with suppress(Unavailable):  # the account is gone all the same, and the courier does the rest
            for _ in islice(self._purge(user_id), _WITH_THE_REPLY):
                pass
            self._end_claim(user_id, claimed_until)

    def purge(self, user_id: str) -> None:
        """Delete all that belongs to a deleted user, and keep only the identifier in their audit events; idempotent."""
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

        The role is taken first; if no other administrator is found then, it is given back. So if two administrators
        leave at the same time, both may be refused, but never both deleted. Meanwhile `_LEAVING` replaces the role, so
        that only a role taken here is given back: if the user's roles are set in between, that setting stays.
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
        """Give the administrator's role back to a user who stays after all, if `_step_down` took it."""
        with suppress(Failure):
            self.accounts.change(user_id, lambda account: _with_role_replaced(account, _LEAVING, ADMINISTRATOR))


def _with_role_replaced(account: Account, role: str, by: str) -> Account:
    roles = tuple(by if each == role else each for each in account.user.roles)
    return replace(account, user=replace(account.user, roles=roles))


def _nobody(user: User, *, may_return: bool) -> User:
    """What is left of a user: identifier, time of registration and, if they may return, their roles.

    The administrator's role does not return: another administrator can grant it again.
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
