"""Changing the e-mail address: asked for with the password, done by proof, taken back by the former owner."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.errors import EmailTaken, FieldError, InvalidCode, TooManyRequests, ValidationFailed
from app.models.account import Account, PendingEmail, UndoOffer
from app.models.identifiers import comparable_email, email_key, new_id
from app.services.accounts import UNDO_LIVES, VERIFICATION_LIVES, in_new_epoch
from app.services.credentials import refuse_if_changed

if TYPE_CHECKING:
    from app.models.user import User
    from app.services.accounts import Accounts
    from app.services.credentials import CredentialService
    from app.services.devices import Device
    from app.services.mailed_codes import MailedCodes, Redeemable

_MOST_OFFERS = 20
"""Former addresses that may take a change back. A further change is refused: none of their owners loses his offer."""


@dataclass(frozen=True, slots=True)
class EmailChangeService:
    """Changes addresses. `hide_accounts` keeps back whether an address is taken."""

    accounts: Accounts
    credentials: CredentialService
    codes: MailedCodes
    hide_accounts: bool

    def request(self, user_id: str, email: str, password: str, device: Device) -> None:
        """Mail the new address, which takes effect when it is proven.

        Raises WrongPassword; TooManyRequests, also for one change too many within 7 days; EmailTaken if another has
        proven the address or it is held for him, but nothing of that where accounts are hidden; ValidationFailed for
        the user's own address.
        """
        verified = self.credentials.confirm(user_id, password)
        if email_key(email) == email_key(verified.user.email or ""):
            raise ValidationFailed(fields=(FieldError("email", "unchanged", "This is your address already."),))
        self.codes.replace_dead(email, "verify")
        taken = self._is_taken(email, user_id)
        if taken and not self.hide_accounts:
            raise EmailTaken

        def pending(account: Account) -> Account:
            refuse_if_changed(account, since=verified)
            now, known = self.accounts.clock(), account.pending_email
            ends = sorted(offer.expires_at for offer in account.undo_offers if offer.expires_at > now)
            if len(ends) >= _MOST_OFFERS:
                raise TooManyRequests(retry_after=math.ceil((ends[0] - now).total_seconds()))
            if known is None or email_key(known.email) != email_key(email) or known.expires_at <= now:
                known = PendingEmail(new_id(), email, now + VERIFICATION_LIVES)
            account = replace(account, pending_email=known)
            return account if taken else self.accounts.with_notice(account, "change_email", email, code_id=known.id)

        self.accounts.change(user_id, pending)
        self.accounts.audit.record(user_id, "email.change_requested", device)

    def confirm(self, found: Redeemable, device: Device) -> User:
        """Put the pending address, now proven, in the place of the present one, whose owner can undo it for 7 days.

        Raises InvalidCode, or EmailTaken if another has proven the address meanwhile.
        """

        def changed(account: Account) -> Account:
            pending, now, former = account.pending_email, self.accounts.clock(), account.user.email
            if pending is None or pending.id != found.code_id or pending.expires_at <= now:
                raise InvalidCode
            self.accounts.take_email(pending.email, by=account.user.id)
            offers = tuple(offer for offer in account.undo_offers if offer.expires_at > now)
            told = account
            if former is not None:
                offer = UndoOffer(new_id(), former, now + UNDO_LIVES, account.user.email_verified)
                offers = (*offers, offer)
                # Held before it is given up: so nobody can have it in between.
                self.accounts.held.hold(comparable_email(former), account.user.id, now=now, until=offer.expires_at)
                told = self.accounts.with_warning(
                    account, "email_changed", device, code_id=offer.id, new_email=pending.email
                )
            return replace(
                told,
                user=replace(account.user, email=pending.email, email_verified=True),
                codes=(),
                pending_email=None,
                undo_offers=offers,
            )

        account = self.accounts.change(found.owner_id, changed, missing=InvalidCode)
        self.accounts.audit.record(account.user.id, "email.changed", device)
        return account.user

    def drop(self, found: Redeemable, device: Device) -> None:
        """Forget a pending address: its owner does not know of the change. Raises InvalidCode."""

        def dropped(account: Account) -> Account:
            if account.pending_email is None or account.pending_email.id != found.code_id:
                raise InvalidCode
            return replace(account, pending_email=None)

        self.accounts.change(found.owner_id, dropped, missing=InvalidCode)
        self.accounts.audit.record(found.owner_id, "email.change_disowned", device)

    def undo(self, token: str, device: Device) -> None:
        """Give an account back to the owner of a former address.

        All sessions end, the password is void, a way to a new one is mailed, and pending changes and later offers are
        cancelled. Raises InvalidCode.
        """
        found = self.codes.of_token(token, "undo")
        cancelled: list[UndoOffer] = []

        def undone(account: Account) -> Account:
            now = self.accounts.clock()
            offer = next((offer for offer in account.undo_offers if offer.id == found.code_id), None)
            if offer is None or offer.expires_at <= now:
                raise InvalidCode
            self.codes.replace_dead(offer.email, "reset")
            self.accounts.take_email(offer.email, by=account.user.id)
            cancelled[:] = [other for other in account.undo_offers if other.id >= offer.id]
            account = replace(
                in_new_epoch(account),
                user=replace(account.user, email=offer.email, email_verified=True),
                password_hash=None,
                codes=(),
                pending_email=None,
                undo_offers=tuple(other for other in account.undo_offers if other.id < offer.id),
                notices=tuple(notice for notice in account.notices if notice.to != account.user.email),
            )
            account, code = self.accounts.with_code(account, "reset")
            return self.accounts.with_notice(account, "reset_password", offer.email, code_id=code.id)

        account = self.accounts.change(found.owner_id, undone, missing=InvalidCode)
        self.accounts.audit.record(account.user.id, "email.undone", device)
        self.accounts.release(account, cancelled)

    def _is_taken(self, email: str, user_id: str) -> bool:
        key = comparable_email(email)
        if self.accounts.is_held(key, user_id):
            return True
        other = self.accounts.users.account_by_email(key)
        return other is not None and other.user.id != user_id and other.user.email_verified
