"""The claims that hooks add to access tokens."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from app.hooks import Session, User

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.accounts import model as accounts
    from app.hooks.calls import Hooks

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


def added_claims(
    hooks: Hooks | None, user: accounts.User, session_id: str, began_at: datetime, *, actor_id: str | None = None
) -> Mapping[str, Any]:
    """What hooks add to a token for this user, in a session or in an impersonation by `actor_id`.

    Ask before anything is written, so that a failure leaves nothing behind. Raises Unavailable if a hook fails.
    """
    if hooks is None:
        return _NONE
    kind: Literal["session", "impersonation"] = "session" if actor_id is None else "impersonation"
    told = User(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified,
        username=user.username,
        name=user.name,
        roles=user.roles,
        created_at=user.created_at,
    )
    return hooks.claims(told, Session(id=session_id, kind=kind, began_at=began_at, actor_id=actor_id))
