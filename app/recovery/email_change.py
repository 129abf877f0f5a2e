"""Changing the e-mail address: requested with the password, done by proof, undone by the former owner."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.accounts.credentials import refuse_if_changed
from app.accounts.model import Account, PendingEmail, UndoOffer
from app.accounts.service import CLAIMED_FOR, UNDO_LIVES, VERIFICATION_LIVES, WAYS_BACK, in_new_epoch
from app.platform.errors import EmailTaken, FieldError, InvalidCode, TooManyRequests, ValidationFailed
from app.platform.identifiers import email_key, new_id

if TYPE_CHECKING:
    from app.accounts.credentials import CredentialService
    from app.accounts.model import User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.platform.devices import Device
    from app.recovery.mailed_codes import MailedCodes, Redeemable

_MOST_OFFERS = 20
"""Former addresses with an undo offer. A further change is refused, so that none of their owners loses their offer."""


@dataclass(frozen=True, slots=True)
class EmailChangeService:
    """Changes addresses. `hide_accounts` hides whether an address is taken."""

    accounts: Accounts
    credentials: CredentialService
    codes: MailedCodes
    hide_accounts: bool

    def request(self, principal: Principal, email: str, password: str, device: Device) -> None:
        """Mail the new address, which takes effect when it is proven.

        Raises WrongPassword; TooManyRequests, also for too many changes within 7 days; EmailTaken if another user has
        proven the address or it is held for them; ValidationFailed for the user's own address; SessionEnded if the
        session of `principal` ended meanwhile. Where accounts are hidden, whether the address is taken is checked only
        when the mail is sent: the work here is the same, and the mail tells the owner of the address.
        """
        user_id = principal.user.id
        verified = self.credentials.confirm(user_id, password)
        if email_key(email) == email_key(verified.user.email or ""):
            raise ValidationFailed(fields=(FieldError("email", "unchanged", "This is your address already."),))
        self.codes.replace_dead(email, "verify")
        if not self.hide_accounts and self.accounts.is_taken(email, user_id):
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
            return self.accounts.with_notice(account, "change_email", email, code_id=known.id)

        self.accounts.change(user_id, pending, by=principal)
        self.accounts.audit.record(user_id, "email.change_requested", device)

    def confirm(self, found: Redeemable, device: Device) -> User:
        """Replace the present address with the pending one, now proven; its former owner can undo this for 7 days.

        Raises InvalidCode; EmailTaken if another user has proven the new address meanwhile, or if the former one cannot
        be held for its owner.
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
                if offer.proven:
                    # Held before it is given up, so that nobody can take it in between. Only proven addresses are held.
                    self.accounts.hold(former, account.user.id, until=offer.expires_at)
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
        """Drop a pending address, since its owner did not ask for the change. Raises InvalidCode."""

        def dropped(account: Account) -> Account:
            if account.pending_email is None or account.pending_email.id != found.code_id:
                raise InvalidCode
            return replace(account, pending_email=None)

        self.accounts.change(found.owner_id, dropped, missing=InvalidCode)
        self.accounts.audit.record(found.owner_id, "email.change_disowned", device)

    def undo(self, token: str, device: Device) -> None:
        """Give an account back to the owner of a former address, whatever happened since; a deleted one is restored.

        All sessions end, the password becomes void, a mail for setting a new one is sent, and pending changes and later
        offers are cancelled. A disabled account stays disabled and gets no mail. Raises InvalidCode, or EmailTaken if
        another user has proven the address meanwhile.
        """
        found = self.codes.of_token(token, "undo")
        cancelled: list[UndoOffer] = []

        def undone(account: Account) -> Account:
            user, now = account.user, self.accounts.clock()
            offer = next((offer for offer in account.undo_offers if offer.id == found.code_id), None)
            if offer is None or offer.expires_at <= now:
                raise InvalidCode
            self.codes.replace_dead(offer.email, "reset")
            self.accounts.take_email(offer.email, by=user.id)
            cancelled[:] = [other for other in account.undo_offers if other.id >= offer.id]
            if user.status == "deleted":
                account, user = self._brought_back(account), replace(user, status="active")
            account = replace(
                in_new_epoch(account),
                user=replace(user, email=offer.email, email_verified=True),
                password_hash=None,
                codes=(),
                pending_email=None,
                undo_offers=tuple(other for other in account.undo_offers if other.id < offer.id),
                notices=tuple(notice for notice in account.notices if notice.to != user.email),
            )
            if user.status != "active":
                return account
            return self.accounts.with_reset_mail(account, offer.email)

        account = self.accounts.change(
            found.owner_id, undone, missing=InvalidCode, among=("active", "disabled", "deleted")
        )
        self.accounts.audit.record(account.user.id, "email.undone", device)
        self.accounts.release(account, cancelled)

    def _brought_back(self, account: Account) -> Account:
        """A deleted account without the mails about its deletion; earlier owners still get theirs about the change."""
        told = (replace(notice, kind="email_changed") for notice in account.notices if notice.kind in WAYS_BACK)
        # `due_at` may only be the expiry of an offer, which is cleared; the claim of a worker stays.
        claimed = account.due_at is not None and account.due_at <= self.accounts.clock() + CLAIMED_FOR
        return replace(account, notices=tuple(told), due_at=account.due_at if claimed else None)
