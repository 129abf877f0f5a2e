"""How many mails an address gets in a day: 20 of all kinds, and fewer of those that anyone can request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.platform.identifiers import comparable_email
from app.throttle.model import FailureCount

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.platform.clock import Clock
    from app.throttle.counts import Counts

WINDOW: Final = timedelta(days=1)
"""Counted from the first mail."""
MOST: Final = 20
"""Mails to one address in that time, of all kinds together."""
MOST_REGISTRATIONS: Final = 3
"""Registrations of one address that are mailed in that time."""
_MOST_ASKED: Final = 14
"""Mails that anybody can request for any address. They leave room for the others."""
_MOST_WITH_SPARE_RESETS: Final = 17
SPARE_RESET_EVERY: Final = timedelta(hours=6)
"""Beyond those 14, one mail that leads to a new password may go out in each such period. Otherwise a stranger who
requests 14 mails would keep the owner from a reset for a day. The owner can even use the stranger's."""
_MOST_BY_KIND: Final = {
    # Caused by actions that a logged-in user can repeat as often as they like.
    "profile_changed": 16,
    "username_changed": 16,
    "session_reused": 16,
    # What needs the password, or an administrator, or ends the account.
    "impersonated": 17,
    "password_breached": 17,
    "password_changed": 17,
    "account_deleted": 17,
    "account_disabled": 17,
    "factor_recovery": 17,  # one that is withheld never takes effect
    "factor_recovery_cancelled": 17,
    "factors_recovered": 17,
    # The way back to a former address. Nothing can crowd it out, since another such mail needs the address to be proven
    # anew. There is room for both, and for the reset mail of the owner who took the account back.
    "email_changed": MOST,
    "deletion_undo": MOST,
}
_ONLY_WAY_IN: Final = MOST
"""The mail to an account without a password, such as one that was just given back to its owner."""


@dataclass(frozen=True, slots=True)
class MailAllowance:
    """Decides whether a mail may still go out; each allowed mail is counted by one conditional write."""

    counts: Counts
    clock: Clock

    def take(self, to: str, kind: str, account: Account | None = None) -> bool:
        """Whether a mail of this kind may go to this address, which is counted then. `account` is whose mail it is."""
        key = comparable_email(to)
        most = _MOST_BY_KIND.get(kind, _MOST_ASKED)
        if kind == "email_changed" and account is not None and not account.has_proven(key):
            most = _MOST_ASKED  # anybody can register an address and move on from it, as often as they like
        if kind != "reset_password":
            return self._take(f"all:{key}", most)
        if account is not None and account.password_hash is None:
            most = _ONLY_WAY_IN
        return self._take(f"all:{key}", most) or (
            self._take(f"spare reset:{key}", 1, SPARE_RESET_EVERY) and self._take(f"all:{key}", _MOST_WITH_SPARE_RESETS)
        )

    def take_registration(self, address: str) -> bool:
        """Whether one more registration of this address may be mailed; if so, it is counted."""
        return self._take(_registrations(address), MOST_REGISTRATIONS)

    def give_back_registration(self, address: str) -> None:
        """Uncount a registration that the owner of the address disowned."""

        def fewer(seen: FailureCount | None) -> FailureCount | None:
            if seen is None or seen.count == 0:
                return None
            return FailureCount(seen.count - 1, seen.blocked_until, seen.expires_at)

        self.counts.change(_registrations(address), fewer)

    def _take(self, name: str, most: int, window: timedelta = WINDOW) -> bool:
        granted = False

        def counted(seen: FailureCount | None) -> FailureCount | None:
            nonlocal granted
            now = self.clock()
            if seen is None or seen.expires_at <= now:
                seen = FailureCount(0, now, now + window)
            granted = seen.count < most
            return FailureCount(seen.count + 1, seen.blocked_until, seen.expires_at) if granted else None

        self.counts.change(name, counted)
        return granted


def _registrations(address: str) -> str:
    return f"registrations:{comparable_email(address)}"
