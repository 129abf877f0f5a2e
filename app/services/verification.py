"""Proving that an e-mail address is one's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.errors import InvalidCode
from app.models.identifiers import masked_email

if TYPE_CHECKING:
    from datetime import datetime

    from app.devices import Device
    from app.models.account import Account
    from app.models.user import User
    from app.services.accounts import Accounts
    from app.services.deletion import DeletionService
    from app.services.email_change import EmailChangeService
    from app.services.mail_allowance import MailAllowance
    from app.services.mailed_codes import MailedCodes, Redeemable
    from app.services.registration import RegistrationService


@dataclass(frozen=True, slots=True)
class Claim:
    """What is about to be verified: the address, and whose account says that it is theirs, since when.

    Of an account that `moves` to the address, the `present` and `former` addresses can take it back; they are masked.
    """

    email: str
    username: str | None
    claimed_at: datetime
    moves: bool = False
    present: str | None = None
    former: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VerificationService:
    """Verifies addresses: of a registration, of a change of address, of a registration that waits."""

    accounts: Accounts
    codes: MailedCodes
    allowance: MailAllowance
    email_change: EmailChangeService
    registration: RegistrationService
    deletion: DeletionService

    def find(self, *, token: str | None = None, email: str | None = None, code: str | None = None) -> Redeemable:
        """What a token, or an address and the code mailed to it, stand for; raises InvalidCode."""
        return self.codes.find("verify", token=token, email=email, code=code)

    def look(self, found: Redeemable) -> Claim:
        """What would be verified, without doing it; raises InvalidCode."""
        now = self.accounts.clock()
        if found.purpose == "register":
            request = self.accounts.requests.get(found.owner_id)
            if request is None or request.registration is None or request.expires_at <= now:
                raise InvalidCode
            return Claim(request.email, request.registration.username, request.created_at)
        account = self.accounts.users.account(found.owner_id)
        if account is None or account.user.status != "active":
            raise InvalidCode
        user, pending = account.user, account.pending_email
        if found.purpose == "change" and pending and pending.id == found.code_id and pending.expires_at > now:
            return Claim(
                pending.email,
                user.username,
                user.created_at,
                moves=True,
                present=masked_email(user.email) if user.email else None,
                former=self.accounts.former_addresses(account),
            )
        if found.purpose == "verify" and user.email:
            self.accounts.without_code(account, "verify", found.code_id)
            return Claim(user.email, user.username, user.created_at)
        raise InvalidCode

    def verify(self, found: Redeemable, device: Device) -> User:
        """Take the address as proven; the user whose it is now.

        Raises InvalidCode, or EmailTaken if somebody else has proven the address meanwhile. The user of a registration
        that waited has no user name if that went to another meanwhile.
        """
        if found.purpose == "change":
            return self.email_change.confirm(found, device)
        if found.purpose == "register":
            return self.registration.complete(found.owner_id, device)

        def verified(account: Account) -> Account:
            account = self.accounts.without_code(account, "verify", found.code_id)
            return replace(account, user=replace(account.user, email_verified=True))

        account = self.accounts.change(found.owner_id, verified, missing=InvalidCode)
        self.accounts.audit.record(account.user.id, "email.verified", device)
        return account.user

    def resend(self, email: str) -> None:
        """Ask for the mail again: the same for any address, known or not."""
        self.accounts.ask_for_mail("verify", email)

    def disown(self, found: Redeemable, device: Device) -> None:
        """The owner of the address says that the claim was not theirs: what never proved it is gone.

        An account that was registered with the address is deleted, a pending change or registration dropped. Raises
        InvalidCode.
        """
        if found.purpose == "register":
            request = self.accounts.requests.get(found.owner_id)
            if request is None or not self.accounts.requests.remove(found.owner_id):
                raise InvalidCode
            self.allowance.give_back_registration(request.email)
            return
        if found.purpose == "change":
            self.email_change.drop(found, device)
            return

        def disowned(account: Account) -> Account:
            self.accounts.without_code(account, "verify", found.code_id)
            if account.user.email_verified:
                raise InvalidCode
            return account

        self.deletion.delete_if(found.owner_id, disowned, device, action="user.disowned", missing=InvalidCode)
