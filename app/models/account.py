"""The account: a user together with everything that has to change in the same write.

It is stored and replaced as a whole (`Users.save`), on condition that no other write replaced it meanwhile. So each
rule about an account is a function from one `Account` to the next, written once, in `services`, for every store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.models.user import User

CodePurpose = Literal["verify", "reset"]


@dataclass(frozen=True, slots=True)
class LiveCode:
    """A mailed token and code that can be redeemed once. Token and code are computed, never stored."""

    id: str
    purpose: CodePurpose
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
class Notice:
    """A mail that has not been sent yet: its content (`kind`, `facts`) and recipient, but no token.

    `code_id` names the code, pending address or undo offer that the mail carries.
    """

    id: str
    kind: str
    to: str
    queued_at: datetime
    facts: Mapping[str, str] = field(default_factory=dict)
    code_id: str | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """A user, their credentials, and what is under way.

    `due_at` is when background work is due: mail to send or, once the status is deleted, a purge or the expiry of an
    undo offer; None when there is none. `revision` counts the replacements.
    """

    user: User
    password_hash: str | None = field(repr=False)
    auth_epoch: int = 0
    kept_session: str | None = None
    codes: tuple[LiveCode, ...] = ()
    pending_email: PendingEmail | None = None
    undo_offers: tuple[UndoOffer, ...] = ()
    notices: tuple[Notice, ...] = ()
    due_at: datetime | None = None
    revision: int = 0
