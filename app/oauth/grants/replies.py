"""The reply to a token request that succeeds (RFC 6749 section 5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.sessions.session_tokens import OpenedSession


def type_of(key: str | None) -> str:
    """The `token_type` of an access token that is bound to this key (RFC 9449 section 5), or to none."""
    return "Bearer" if key is None else "DPoP"


def token_reply(opened: OpenedSession, scopes: Sequence[str], id_token: str | None, key: str | None) -> dict[str, Any]:
    """The tokens of a client's session; `key` is the thumbprint of the one that the access token is bound to."""
    reply: dict[str, Any] = {
        "access_token": opened.access_token,
        "token_type": type_of(key),
        "expires_in": opened.expires_in,
        "scope": " ".join(scopes),
    }
    if opened.refresh_token is not None:
        reply["refresh_token"] = opened.refresh_token
    if id_token is not None:
        reply["id_token"] = id_token
    return reply
