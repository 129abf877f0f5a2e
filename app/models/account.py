"""The account: a user together with everything that has to change at one stroke with it.

It is kept and replaced as one (`Users.save`), on the condition that nobody else replaced it meanwhile. So each rule
about an account is a function from one `Account` to the next, written once, in `services`, for every store.
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
    """Something mailed that can be redeemed once. The token and the code themselves are computed, never kept."""

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
    """A former address whose owner may take the change back; `id` sorts later for a later change.

    Only one that was `proven` is held meanwhile; of any other, whoever claims or proves it has it.
    """

    id: str
    email: str
    expires_at: datetime
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail that has not been sent yet: what it says (`kind`, `facts`) and to whom, but no token.

    `code_id` names the code, pending address or undo offer that it is to carry.
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
    """A user, his credentials, and what is under way.

    `due_at` is when something is to be done for them in the background: mail to be sent, or, once their status is
    deleted, what is left of them to be purged, or the next offer to undo to expire; None when there is nothing.
    `revision` counts the replacements.
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
