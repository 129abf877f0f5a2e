"""Finds out what a token is that somebody else holds: for revocation (RFC 7009) and introspection (RFC 7662).

Each kind has a form of its own: so a `token_type_hint` is not needed, and a wrong one does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from app.keys.service import LEEWAY
from app.oauth.grant_types import TOKEN_EXCHANGE, may_exchange
from app.oauth.granting import may_have
from app.sessions.access_tokens import has_form
from app.sessions.claims import RefusedTokenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.accounts.principal import Principal
    from app.oauth.clients.model import Client
    from app.oauth.registry import ClientRegistry
    from app.oauth.revoked_tokens.model import RevokedTokens
    from app.platform.devices import Device
    from app.sessions.access_tokens import AccessTokens
    from app.sessions.authenticator import AccessTokenAuthenticator
    from app.sessions.claims import Claims
    from app.sessions.refresh import RefreshService
    from app.sessions.service import SessionService

_TOLD: Final = (
    *("client_id", "scope", "sub", "aud", "iss", "exp", "iat", "jti", "sid", "act", "cnf"),
    *("auth_time", "amr", "acr"),
)
"""The claims of an access token that introspection repeats (RFC 7662 section 2.2, RFC 9470 section 6.2)."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that was issued here, and is accepted at this moment, by whomever it is for.

    `told` is what introspection says of it. `session_id` is its session; None if a client acts for itself.
    `of_user` is what an access token says of the session, and the user as they are now; None for any other token.
    """

    client_id: str
    audiences: frozenset[str]
    told: Mapping[str, Any]
    session_id: str | None
    of_user: tuple[Claims, Principal] | None = None

    @property
    def is_exchanged(self) -> bool:
        """Whether its client got it for a token that it had received (RFC 8693)."""
        return self.of_user is not None and bool(self.of_user[0].actors)

    @property
    def scopes(self) -> tuple[str, ...]:
        """What it may be used for; none, as for a login's."""
        return tuple(self.told.get("scope", "").split())

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
    refreshes: RefreshService
    authenticator: AccessTokenAuthenticator
    registry: ClientRegistry
    revoked: RevokedTokens
    issuer: str
    audience: str
    """That of our own API, for which every client may have tokens."""

    def find(self, token: str) -> IssuedToken | None:
        """What this token is; None if it is none, or is not accepted any more. Raises Unavailable."""
        return self.access_token(token) if has_form(token) else self._refresh_token(token)

    def revoke(self, token: str, client: Client, device: Device) -> None:
        """Revoke a token of this client: with its session, and so with all other tokens of it (RFC 7009 section 2.1).
        One that it exchanged is revoked alone: the session is another client's.

        Nothing happens to a token of anybody else, and to none: the client is not told which it is. Raises Unavailable.
        """
        if not has_form(token):
            self.refreshes.revoke(token, client.id, device)
            return
        found = self.access_token(token)
        if found is None or not found.is_of(client):
            return
        if found.session_id is not None and not found.is_exchanged:
            self.sessions.revoke_for_client(found.session_id, client.id, device)
        else:
            self.revoked.add(found.told["jti"], datetime.fromtimestamp(found.told["exp"], UTC) + LEEWAY)

    def access_token(self, token: str) -> IssuedToken | None:
        """What this access token is; None as `find`."""
        try:
            read = self.access_tokens.read(token)
        except RefusedTokenError:
            return None
        claims, audience = read.claims, read.claims["aud"]
        audiences = frozenset([audience] if isinstance(audience, str) else audience)
        told = {name: claims[name] for name in _TOLD if name in claims}
        told["token_type"] = "DPoP" if "cnf" in claims else "Bearer"
        found = IssuedToken(claims["client_id"], audiences, told, claims.get("sid"))
        if read.of_session is None:
            return found if self._may_still_have(found, "client_credentials") else None
        principal = self.authenticator.principal_of(read.of_session)
        # The session of an exchanged token is another client's.
        if principal is None or not self.registry.admits(principal.client_id or found.client_id):
            return None
        found = replace(found, of_user=(read.of_session, principal))
        # Those that acted before gave their leave, which ends with their own.
        is_by_leave = all(self._may_act(client_id) for client_id in read.of_session.actors[1:])
        if found.is_exchanged and not (is_by_leave and self._may_still_have(found, TOKEN_EXCHANGE)):
            return None
        return found

    def _may_act(self, client_id: str) -> bool:
        client = self.registry.find(client_id)
        return client is not None and may_exchange(client, TOKEN_EXCHANGE)

    def _may_still_have(self, found: IssuedToken, grant_type: str) -> bool:
        """Whether the client would still get a token that no session of its own says anything of."""
        client = self._client_of(found)
        return (
            client is not None
            and may_exchange(client, grant_type)
            and may_have(client, found.scopes, found.audiences, first_party=False, own=self.audience)
        )

    def _client_of(self, found: IssuedToken) -> Client | None:
        """The client of a token that no session of its own ends; None if it is gone, or has revoked the token."""
        client = self.registry.find(found.client_id)
        return None if client is None or self.revoked.has(found.told["jti"]) else client

    def _refresh_token(self, token: str) -> IssuedToken | None:
        session = self.refreshes.session_of(token)
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
            **({} if session.dpop_jkt is None else {"cnf": {"jkt": session.dpop_jkt}}),
        }
        return IssuedToken(session.client_id, frozenset(), told, session.id)
