"""The reply to a token request that succeeds (RFC 6749 section 5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.sessions.service import OpenedSession


def token_reply(opened: OpenedSession, scopes: Sequence[str], id_token: str | None) -> dict[str, Any]:
    """The tokens of a client's session."""
    reply: dict[str, Any] = {
        "access_token": opened.access_token,
        "token_type": "Bearer",
        "expires_in": opened.expires_in,
        "scope": " ".join(scopes),
    }
    if opened.refresh_token is not None:
        reply["refresh_token"] = opened.refresh_token
    if id_token is not None:
        reply["id_token"] = id_token
    return reply
