"""The second factors that an account lists. What is not listed does not work, whatever else the store holds of it.

The list is part of the account, so that a factor comes and goes in one write with the epoch that ends sessions.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.outbox.model import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.accounts.account import Account
    from app.accounts.imported import SealedTotp

PASSKEY: Final = "passkey"
TOTP: Final = "totp"
RECOVERY_CODE: Final = "recovery_code"
_TOTP_DIGITS: Final = 6
FACTOR_RECOVERY: Final = "factor_recovery"
"""The kind of the entry that is due when a recovery of lost factors takes effect, and of the mail that warns of it."""
TOLD_WITHIN: Final = timedelta(minutes=30)
"""How soon the owner has to be told that a recovery of lost factors was asked for; else it never takes effect. It is
less than any delay."""
ENROLMENT_LIVES: Final = timedelta(minutes=10)
"""How long an authenticator app can be confirmed after its secret was shown."""


@dataclass(frozen=True, slots=True)
class ListedTotp:
    """An authenticator app; its secret is an entity of its own (`app.factors.totp_secrets`)."""

    id: str
    created_at: datetime
    expires_at: datetime | None = None
    """Until when it can be confirmed; None once it is."""

    @property
    def is_confirmed(self) -> bool:
        """Whether a code has proven that the user has it."""
        return self.expires_at is None


@dataclass(frozen=True, slots=True)
class ListedPasskey:
    """A passkey, by the name that the user gave it; its key is an entity of its own (`app.factors.passkeys`)."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """One of the codes for when the other factors are lost, as a salted hash; `number` says which."""

    id: str
    number: int
    salt: str
    digest: str = field(repr=False)
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FactorRecovery:
    """A recovery of lost factors: from `effective_at` on they are gone, unless something ends it before.

    It is worth nothing in another epoch of the account, or once the address that is told of it is another. `told_at` is
    when a mail server took the warning to that address; until then it takes no effect.
    """

    id: str
    email: str
    auth_epoch: int
    asked_at: datetime
    effective_at: datetime
    told_at: datetime | None = None

    def is_told_in_time(self, now: datetime) -> bool:
        """Whether the owner knows of it, or still can in time."""
        return self.told_at is not None or now < self.asked_at + TOLD_WITHIN


def method_of_code(code: str) -> str:
    """The method whose codes look like this one: people type all codes into one field."""
    digits = "".join(code.split())
    return TOTP if len(digits) == _TOTP_DIGITS and digits.isdigit() else RECOVERY_CODE


def usable(
    passkeys: Iterable[ListedPasskey], totp: Iterable[ListedTotp | SealedTotp], codes: Iterable[RecoveryCode]
) -> tuple[str, ...]:
    """The methods by which a second factor can be proven; empty if there is none.

    Recovery codes alone are no second factor: they stand in for one.
    """
    there_is = {PASSKEY: any(passkeys), TOTP: any(each.is_confirmed for each in totp)}
    methods = tuple(method for method, usable in there_is.items() if usable)
    has_codes = bool(methods) and any(code.used_at is None for code in codes)
    return (*methods, RECOVERY_CODE) if has_codes else methods


def recovery_of(account: Account, now: datetime) -> FactorRecovery | None:
    """The recovery of lost factors that is under way, or due; None if there is none, or it is void.

    What begins a new epoch voids it: a new password, a change of factors, the undo of an address, the end of all
    sessions. So does another address, and a warning that nobody took. A former version need not know of any of it.
    """
    found, user = account.factor_recovery, account.user
    if found is None or not account.factors or user.status != "active":
        return None
    is_of_now = found.auth_epoch == account.auth_epoch and user.email_verified and user.email == found.email
    return found if is_of_now and found.is_told_in_time(now) else None


def open_recovery_of(account: Account, now: datetime) -> FactorRecovery | None:
    """The recovery that is under way and can still be cancelled; None if there is none."""
    found = recovery_of(account, now)
    return found if found is not None and now < found.effective_at else None


def with_recovery(account: Account, recovery: FactorRecovery, now: datetime) -> Account:
    """The account with this recovery, and the entry that is due when it takes effect."""
    entry = Entry(recovery.id, FACTOR_RECOVERY, {}, recovery.effective_at)
    return replace(without_recovery(account), factor_recovery=recovery).with_entries([entry], now)


def with_recovery_told(account: Account, recovery_id: str | None, to: str, now: datetime) -> Account:
    """The account whose owner was warned of this recovery, by mail to this address; the same account if they knew, or
    it is no address of theirs."""
    found = recovery_of(account, now)
    if found is None or found.told_at is not None or (found.id, found.email) != (recovery_id, to):
        return account
    return replace(account, factor_recovery=replace(found, told_at=now))


def without_recovery(account: Account) -> Account:
    """The account without a recovery, whether one is under way or void."""
    left = tuple(entry for entry in account.outbox if entry.kind != FACTOR_RECOVERY)
    return replace(account, factor_recovery=None, outbox=left)
