"""Verifies that an e-mail address belongs to its user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.platform.errors import InvalidCode
from app.platform.identifiers import masked_email

if TYPE_CHECKING:
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.deletion import DeletionService
    from app.accounts.model import User
    from app.accounts.registration import RegistrationService
    from app.accounts.service import Accounts
    from app.platform.devices import Device
    from app.recovery.allowance import MailAllowance
    from app.recovery.email_change import EmailChangeService
    from app.recovery.mailed_codes import MailedCodes, Redeemable


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim to verify: the address, the user name of the account that claims it, and the time of the claim.

    If the account `moves` to the address, the owners of its `present` and `former` addresses (masked) can take it back.
    If the address is `given`, an administrator claims it for the account.
    """

    email: str
    username: str | None
    claimed_at: datetime
    moves: bool = False
    given: bool = False
    present: str | None = None
    former: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VerificationService:
    """Verifies the addresses of registrations, of changes of address, and of pending registrations (HIDE_ACCOUNTS)."""

    accounts: Accounts
    codes: MailedCodes
    allowance: MailAllowance
    email_change: EmailChangeService
    registration: RegistrationService
    deletion: DeletionService

    def redeemable(self, *, token: str | None = None, email: str | None = None, code: str | None = None) -> Redeemable:
        """What a token, or an address and the code mailed to it, refer to; raises InvalidCode."""
        return self.codes.redeemable("verify", token=token, email=email, code=code)

    def look(self, found: Redeemable) -> Claim:
        """The claim that would be verified, without verifying it; raises InvalidCode."""
        now = self.accounts.clock()
        if found.purpose == "register":
            request = self.accounts.requests.get(found.owner_id)
            if request is None or request.registration is None or request.expires_at <= now:
                raise InvalidCode
            return Claim(request.email, request.registration.username, request.created_at)
        account = self.accounts.users.account(found.owner_id)
        if account is None or account.user.status != "active":
            raise InvalidCode
        user = account.user
        if found.purpose == "change":
            pending = account.required_pending_email(found.code_id, now)
            return Claim(
                pending.email,
                user.username,
                user.created_at,
                moves=True,
                present=masked_email(user.email) if user.email else None,
                former=account.former_addresses(now),
            )
        if found.purpose == "verify" and user.email:
            account.require_code("verify", found.code_id, now)
            return Claim(user.email, user.username, user.created_at, given=account.waits_for_proof)
        raise InvalidCode

    def verify(self, found: Redeemable, device: Device) -> User:
        """Accept the address as proven; returns the user who has it now.

        Raises InvalidCode, or EmailTaken if another user has proven the address meanwhile. The user of a pending
        registration gets no user name if another user took it meanwhile.
        """
        if found.purpose == "change":
            return self.email_change.confirm(found, device)
        if found.purpose == "register":
            return self.registration.complete(found.owner_id, device)

        def verified(account: Account) -> Account:
            account = account.without_code("verify", found.code_id, self.accounts.clock())
            return account.with_user(email_verified=True)

        return self.accounts.change(
            found.owner_id, verified, missing=InvalidCode, actions=["email.verified"], device=device
        ).user

    def resend(self, email: str) -> None:
        """Request the mail again: the same for any address, known or not."""
        self.accounts.ask_for_mail("verify", email)

    def disown(self, found: Redeemable, device: Device) -> None:
        """The owner of the address denies the claim: an account registered with the address is deleted, a pending
        change or registration dropped. An account that an administrator gave the address goes on without it.

        Raises InvalidCode.
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
            account.require_code("verify", found.code_id, self.accounts.clock())
            if account.user.email_verified or account.waits_for_proof:
                raise InvalidCode
            return account

        def taken_out(account: Account) -> Account:
            account.require_code("verify", found.code_id, self.accounts.clock())
            if not account.waits_for_proof:
                raise InvalidCode
            return account.without_email()

        known = self.accounts.users.account(found.owner_id)
        if known is not None and known.waits_for_proof:
            self.accounts.change(
                found.owner_id, taken_out, missing=InvalidCode, actions=["email.disowned"], device=device
            )
            return
        self.deletion.delete_if(found.owner_id, disowned, device, action="user.disowned", missing=InvalidCode)
