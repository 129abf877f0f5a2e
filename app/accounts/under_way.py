"""What lives inside an account: mailed codes, a pending address, undo offers, and what else is listed in it.

How they come and go is in `app.accounts.account`, or in the feature that alone changes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from app.accounts.factors import FactorRecovery, ListedPasskey, ListedTotp, RecoveryCode, usable
from app.accounts.imported import Imported  # noqa: TC001 - the codec reads the annotation
from app.outbox.model import Entry  # noqa: TC001 - the codec reads the annotation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.accounts.imported import SealedTotp

CodePurpose = Literal["verify", "reset", "rescue", "invitation"]
CODE_LIVES: Final[Mapping[CodePurpose, timedelta]] = {
    "reset": timedelta(minutes=30),
    "rescue": timedelta(hours=1),
    "verify": timedelta(hours=24),
    "invitation": timedelta(days=7),
}
"""How long a mailed code can be redeemed; a pending address lives as long as the code that verifies one."""
UNDO_LIVES: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class LiveCode:
    """A mailed token and code that can be redeemed once. Token and code are computed, never stored.

    `purpose` is a CodePurpose, or one that only a newer version knows.
    """

    id: str
    purpose: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PendingEmail:
    """An address that the user wants to have, until it is proven; `id` is that of the code mailed to it."""

    id: str
    email: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class UndoOffer:
    """A former address whose owner may undo the change; the `id` of a later change sorts later.

    Only a `proven` address is held meanwhile; any other is free to be claimed.
    """

    id: str
    email: str
    expires_at: datetime
    proven: bool = True


@dataclass(frozen=True, slots=True)
class ListedKey:
    """An API key that the account has: what is not listed here does not work, whatever else the store holds of it."""

    id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ListedIdentity:
    """An account at a provider that leads to this account (`app.social.identities`): what is not listed does not."""

    id: str
    provider: str


@dataclass(frozen=True, slots=True)
class Impersonation:
    """An administrator acts for the user of the account: something like a session, which is never renewed.

    It is in effect only in the epoch of its beginning, and only as long as the session of the administrator in which it
    began, which is for `app.sessions.live` to see. It is kept here, and not with the sessions, so that it begins and
    ends by a write of the account; and so that a former version, which does not know it, admits nobody by it.
    """

    id: str
    actor_id: str
    actor_session_id: str
    reason: str
    began_at: datetime
    expires_at: datetime
    auth_epoch: int
    actor_demotions: int = 0
    """How often the administrator had lost a role (`UnderWay.demotions`) when it began."""
    roles_version: int = 0
    """The version of the roles when the administrator was let in to begin it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """What is under way in an account, and empty in most: rarely written, and read only together with all of it.

    SQL keeps it in one column, as JSON. So a new field needs no migration, but a default.
    """

    codes: tuple[LiveCode, ...] = ()
    pending_email: PendingEmail | None = None
    undo_offers: tuple[UndoOffer, ...] = ()
    outbox: tuple[Entry, ...] = ()
    listed_keys: tuple[ListedKey, ...] = ()
    impersonations: tuple[Impersonation, ...] = ()
    returns_as: str | None = None
    """The status that comes back, by enabling or by the undo of a deletion; None is active."""
    given_email: bool | None = None
    """True if an administrator gave the account its address, or took its proof away."""
    imported: Imported | None = None
    attack_told_at: datetime | None = None
    """When the owner was last told that somebody guesses the password."""
    demotions: int | None = None
    """How often the user lost a role; None is never. What they may do for others ends with the write that raises it."""
    breach_told_in: int | None = None
    """The epoch in which the user was told that the password is known from a breach; a new password begins another."""
    totp: tuple[ListedTotp, ...] = ()
    recovery_codes: tuple[RecoveryCode, ...] = ()
    passkeys: tuple[ListedPasskey, ...] = ()
    user_handle: str | None = None
    """What passkeys know the user by (WebAuthn Level 3 section 5.4.3): 32 random bytes in base64url, made with the
    first passkey and kept as long as the account."""
    factor_recovery: FactorRecovery | None = None
    identities: tuple[ListedIdentity, ...] = ()

    @property
    def imported_totp(self) -> tuple[SealedTotp, ...]:
        """The authenticator apps that a former version imported and never asked for; none once the user has one that
        is asked for."""
        return self.imported.totp if self.imported and not any(each.is_confirmed for each in self.totp) else ()

    @property
    def factors(self) -> tuple[str, ...]:
        """The methods by which a second factor can be proven; empty if the account has none."""
        return usable(self.passkeys, (*self.totp, *self.imported_totp), self.recovery_codes)
