"""The address of a user, as an administrator changes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.platform.errors import EmailTaken, FieldError, ValidationFailed
from app.platform.identifiers import comparable_email, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.account import Account
    from app.accounts.model import User
    from app.accounts.service import Accounts
    from app.accounts.under_way import UndoOffer
    from app.throttle.guesses import Guesses

ACTOR = "an administrator"
"""Whom mails name. Who it was, and from where, is nothing that users are told."""


@dataclass(frozen=True, slots=True)
class AddressChange:
    """Changes addresses by the word of an administrator."""

    accounts: Accounts
    guesses: Guesses

    def applied(
        self,
        account: Account,
        *,
        email: str | None,
        verified: bool | None,
        require_authority: Callable[[User], None],
    ) -> Account:
        """The account with this address and this proof, each None for the present one.

        As when users change their address themselves, its former owner gets a mail and can undo the change for 7 days.
        A new address is not proven unless it is `verified`, and is asked for proof.

        Proof beats claim: an address that is `verified` is taken from an account that never proved it;
        `require_authority` raises unless the administrator may do that to its user.

        Raises EmailTaken if another user has proven the address, or it is held for them, or another user has it and it
        is not `verified`; ValidationFailed for the proof of no address; and TooManyRequests while too many former
        addresses can take the account back.
        """
        present = account.user.email
        if email is not None and present is not None and comparable_email(email) == comparable_email(present):
            account = account.with_user(email=email)  # perhaps in another spelling
        elif email is not None:
            return self._moved(account, email, require_authority, proven=bool(verified))
        if verified and present is None:
            error = FieldError("email_verified", "no_email", "This user has no e-mail address.")
            raise ValidationFailed(fields=(error,))
        if verified and not account.user.email_verified:
            self._claim(account.user.email or "", account, require_authority, proven=True)
            return account.with_user(email_verified=True)
        if verified is False and account.user.email_verified:
            return self._asked_for_proof(account.with_unproven_email())
        return account

    def _moved(
        self, account: Account, email: str, require_authority: Callable[[User], None], *, proven: bool
    ) -> Account:
        now = self.accounts.clock()
        account.require_room_for_offer(now)
        self._claim(email, account, require_authority, proven=proven)
        # Nobody has answered an invitation yet, so its address is nobody's way back.
        offer = None if account.user.status == "invited" else account.offer_of_present_email(new_id(), now)
        if offer is not None:
            account = self._with_way_back(account, email, offer)
        if proven:
            return account.moved_to(email, offer, now)
        return self._asked_for_proof(account.with_given_email(email, offer, now))

    def _claim(self, email: str, account: Account, require_authority: Callable[[User], None], *, proven: bool) -> None:
        """Make an address free for the account; raises EmailTaken, and what `require_authority` raises."""
        user_id, key = account.user.id, comparable_email(email)
        other = self.accounts.users.account_by_email(key)
        if other is not None and other.user.id != user_id:
            if not proven or other.user.email_verified:
                raise EmailTaken
            require_authority(other.user)
        if proven:
            self.accounts.take_email(email, by=user_id)
        elif self.accounts.is_held(key, user_id):  # after it was found free: so no hold is missed
            raise EmailTaken

    def _with_way_back(self, account: Account, email: str, offer: UndoOffer) -> Account:
        """The account with the mail to its former address, which is held if it was proven."""
        user = account.user
        if offer.proven:
            self.accounts.hold(offer.email, user.id, until=offer.expires_at)
        told = {"new_email": email} if offer.proven else {}
        return self.accounts.with_notice(account, "email_changed", offer.email, code_id=offer.id, actor=ACTOR, **told)

    def _asked_for_proof(self, account: Account) -> Account:
        """The account with a mail that asks for proof of its address. Others get it once they can use it."""
        if account.user.status != "active" or account.user.email is None:
            return account
        self.guesses.replace_dead(account.user.email, "verify")
        return self.accounts.with_verification_mail(account)
