"""Finds out what a token is that somebody else holds: for revocation (RFC 7009) and introspection (RFC 7662).

Each kind has a form of its own: so a `token_type_hint` is not needed, and a wrong one does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from app.keys.service import LEEWAY
from app.sessions.access_tokens import RefusedTokenError, has_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.oauth.clients.model import Client
    from app.oauth.registry import ClientRegistry
    from app.oauth.revoked_tokens.model import RevokedTokens
    from app.platform.devices import Device
    from app.sessions.access_tokens import AccessTokens
    from app.sessions.service import SessionService

_TOLD: Final = ("client_id", "scope", "sub", "aud", "iss", "exp", "iat", "jti", "sid", "act", "auth_time", "amr", "acr")
"""The claims of an access token that introspection repeats (RFC 7662 section 2.2, RFC 9470 section 6.2)."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that was issued here, and is accepted at this moment, by whomever it is for.

    `told` is what introspection says of it. `session_id` is its session; None if a client acts for itself.
    """

    client_id: str
    audiences: frozenset[str]
    told: Mapping[str, Any]
    session_id: str | None

    def is_of(self, client: Client) -> bool:
        """Whether it was issued to this client."""
        return self.client_id == client.id

    def concerns(self, client: Client) -> bool:
        """Whether it is this client's business: its own token, or one that it is the audience of.

        A service stands for the resources on its list. Another client may ask for tokens for those of its list, which
        are not its own.
        """
        if self.is_of(client) or client.id in self.audiences:
            return True
        return client.kind == "service" and not self.audiences.isdisjoint(client.resources or ())


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """Finds the tokens that were issued here, and revokes those of clients."""

    access_tokens: AccessTokens
    sessions: SessionService
    registry: ClientRegistry
    revoked: RevokedTokens
    issuer: str

    def find(self, token: str) -> IssuedToken | None:
        """What this token is; None if it is none, or is not accepted any more. Raises Unavailable."""
        return self._access_token(token) if has_form(token) else self._refresh_token(token)

    def revoke(self, token: str, client: Client, device: Device) -> None:
        """Revoke a token of this client: with its session, and so with all other tokens of it (RFC 7009 section 2.1).

        Nothing happens to a token of anybody else, and to none: the client is not told which it is. Raises Unavailable.
        """
        if not has_form(token):
            self.sessions.revoke_by_refresh_token(token, client.id, device)
            return
        found = self._access_token(token)
        if found is None or not found.is_of(client):
            return
        if found.session_id is not None:
            self.sessions.revoke_for_client(found.session_id, client.id, device)
        else:
            self.revoked.add(found.told["jti"], datetime.fromtimestamp(found.told["exp"], UTC) + LEEWAY)

    def _access_token(self, token: str) -> IssuedToken | None:
        try:
            read = self.access_tokens.read(token)
        except RefusedTokenError:
            return None
        claims = read.claims
        client_id, audience = claims["client_id"], claims["aud"]
        if read.of_session is not None:
            is_live = self.sessions.principal_of(read.of_session) is not None
        else:
            is_live = self.registry.find(client_id) is not None and not self.revoked.has(claims["jti"])
        if not is_live or not self.registry.admits(client_id):
            return None
        told = {name: claims[name] for name in _TOLD if name in claims}
        audiences = frozenset([audience] if isinstance(audience, str) else audience)
        return IssuedToken(client_id, audiences, {**told, "token_type": "Bearer"}, claims.get("sid"))

    def _refresh_token(self, token: str) -> IssuedToken | None:
        session = self.sessions.session_of_refresh_token(token)
        if session is None or session.client_id is None or not self.registry.admits(session.client_id):
            return None
        told = {
            "client_id": session.client_id,
            "scope": " ".join(session.granted_scopes),
            "sub": session.user_id,
            "iss": self.issuer,
            "exp": int(session.idle_expires_at.timestamp()),
            "iat": int((session.rotated_at or session.created_at).timestamp()),
            "sid": session.id,
        }
        return IssuedToken(session.client_id, frozenset(), told, session.id)
