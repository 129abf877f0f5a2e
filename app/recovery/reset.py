"""A new password for whoever can read the mail of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.accounts.credentials import counted_names, own_words
from app.platform.errors import InvalidCode

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.accounts.passwords import PasswordService
    from app.accounts.service import Accounts
    from app.accounts.under_way import CodePurpose, UndoOffer
    from app.platform.devices import Device
    from app.recovery.mailed_codes import MailedCodes
    from app.throttle.service import PasswordThrottle


@dataclass(frozen=True, slots=True)
class ResetService:
    """Mails a code for a new password, and redeems it."""

    accounts: Accounts
    passwords: PasswordService
    throttle: PasswordThrottle
    codes: MailedCodes

    def request(self, email: str) -> None:
        """Request a mail for setting a new password: the same for any address, known or not."""
        self.accounts.ask_for_mail("reset", email)

    def redeem(
        self,
        new: str,
        device: Device,
        *,
        token: str | None = None,
        email: str | None = None,
        code: str | None = None,
    ) -> None:
        """Set a new password with a mailed token, or with an address and the code mailed to it.

        This ends all sessions and verifies the address, unless the operator handed the token over (a rescue). If the
        address was not verified before, everything in the account may be someone else's, so undo offers are dropped
        along with pending changes and the old password.
        Raises InvalidCode, or ValidationFailed, which leaves the code valid.
        """
        found = self.codes.redeemable("reset", token=token, email=email, code=code)
        purpose: CodePurpose = "rescue" if found.purpose == "rescue" else "reset"
        known = self.accounts.users.account(found.owner_id)
        if known is None:
            raise InvalidCode
        known.require_code(purpose, found.code_id, self.accounts.clock())
        self.passwords.check_new(new, own_words(known.user), "new_password")
        password_hash = self.passwords.hash(new)
        dropped: list[UndoOffer] = []

        def reset(account: Account) -> Account:
            account.require_code(purpose, found.code_id, self.accounts.clock())
            warned = self.accounts.with_warning(account, "password_changed", device)
            if purpose == "rescue":
                changed = warned.with_rescued_password(password_hash)
            else:
                changed = warned.with_reset_password(password_hash)
            dropped[:] = [offer for offer in account.undo_offers if offer not in changed.undo_offers]
            return changed

        account = self.accounts.change(
            found.owner_id, reset, missing=InvalidCode, actions=["password.reset"], device=device
        )
        self.accounts.release(account, dropped)
        self.throttle.clear(counted_names(account.user), account.user.id)
