"""Changing the e-mail address: requested with the password, done by proof, undone by the former owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.accounts.credentials import nobody_is_fresh, refuse_if_changed
from app.platform.errors import EmailTaken, FieldError, InvalidCode, ValidationFailed
from app.platform.identifiers import email_key, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.account import Account
    from app.accounts.credentials import CredentialService
    from app.accounts.model import User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.accounts.under_way import UndoOffer
    from app.platform.devices import Device
    from app.recovery.mailed_codes import MailedCodes, Redeemable


@dataclass(frozen=True, slots=True)
class EmailChangeService:
    """Changes addresses. `hide_accounts` hides whether an address is taken."""

    accounts: Accounts
    credentials: CredentialService
    codes: MailedCodes
    hide_accounts: bool

    def request(
        self,
        principal: Principal,
        email: str,
        password: str | None,
        device: Device,
        require_fresh_login: Callable[[], None] = nobody_is_fresh,
    ) -> None:
        """Mail the new address, which takes effect when it is proven.

        Raises what `CredentialService.confirm_owner` raises; TooManyRequests for too many changes within 7 days;
        EmailTaken if another user has proven the address or it is held for them; ValidationFailed for the user's own
        address; SessionEnded if the session of `principal` ended meanwhile. Where accounts are hidden, whether the
        address is taken is checked only when the mail is sent: the work here is the same, and the mail tells the owner
        of the address.
        """
        user_id = principal.user.id
        verified = self.credentials.confirm_owner(user_id, password, require_fresh_login)
        if email_key(email) == email_key(verified.user.email or ""):
            raise ValidationFailed(fields=(FieldError("email", "unchanged", "This is your address already."),))
        self.codes.replace_dead(email, "verify")
        if not self.hide_accounts and self.accounts.is_taken(email, user_id):
            raise EmailTaken

        def pending(account: Account) -> Account:
            refuse_if_changed(account, since=verified)
            account, wanted = account.with_pending_email(email, code_id=new_id(), now=self.accounts.clock())
            return self.accounts.with_notice(account, "change_email", email, code_id=wanted.id)

        self.accounts.change(user_id, pending, by=principal, actions=["email.change_requested"], device=device)

    def confirm(self, found: Redeemable, device: Device) -> User:
        """Replace the present address with the pending one, now proven; its former owner can undo this for 7 days.

        Raises InvalidCode; EmailTaken if another user has proven the new address meanwhile, or if the former one cannot
        be held for its owner.
        """

        def changed(account: Account) -> Account:
            now = self.accounts.clock()
            pending = account.required_pending_email(found.code_id, now)
            self.accounts.take_email(pending.email, by=account.user.id)
            offer = account.offer_of_present_email(new_id(), now)
            if offer is not None:
                if offer.proven:
                    # Held before it is given up, so that nobody can take it in between. Only proven addresses are held.
                    self.accounts.hold(offer.email, account.user.id, until=offer.expires_at)
                account = self.accounts.with_warning(
                    account, "email_changed", device, code_id=offer.id, new_email=pending.email
                )
            return account.moved_to(pending.email, offer, now)

        return self.accounts.change(
            found.owner_id, changed, missing=InvalidCode, actions=["email.changed"], device=device
        ).user

    def drop(self, found: Redeemable, device: Device) -> None:
        """Drop a pending address, since its owner did not ask for the change. Raises InvalidCode."""
        self.accounts.change(
            found.owner_id,
            lambda account: account.without_pending_email(found.code_id),
            missing=InvalidCode,
            actions=["email.change_disowned"],
            device=device,
        )

    def undo(self, token: str, device: Device) -> None:
        """Give an account back to the owner of a former address, whatever happened since; a deleted one is restored.

        All sessions end, the password becomes void, a mail for setting a new one is sent, and pending changes and later
        offers are cancelled. A disabled account stays disabled and gets no mail. Raises InvalidCode, or EmailTaken if
        another user has proven the address meanwhile.
        """
        found = self.codes.of_token(token, "undo")
        cancelled: list[UndoOffer] = []

        def undone(account: Account) -> Account:
            now = self.accounts.clock()
            offer = account.required_offer(found.code_id, now)
            self.codes.replace_dead(offer.email, "reset")
            self.accounts.take_email(offer.email, by=account.user.id)
            given_back = account.given_back(offer, now)
            cancelled[:] = [other for other in account.undo_offers if other not in given_back.undo_offers]
            if given_back.user.status != "active":
                return given_back
            return self.accounts.with_reset_mail(given_back, offer.email)

        account = self.accounts.change(
            found.owner_id,
            undone,
            missing=InvalidCode,
            among=("active", "disabled", "deleted"),
            actions=["email.undone"],
            device=device,
        )
        self.accounts.release(account, cancelled)
