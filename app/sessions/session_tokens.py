"""The tokens of a session: what clients get when it is opened, refreshed, or authenticated again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.sessions import refresh_tokens
from app.sessions.added_claims import added_claims
from app.sessions.claims import OWN_CLIENT
from app.sessions.granted import OFFLINE, WHOLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.accounts.model import User
    from app.hooks.calls import Hooks
    from app.platform.instrumentation import Grant, Observer
    from app.security.secret_keys import SecretKeys
    from app.sessions.access_tokens import AccessTokens
    from app.sessions.granted import Part
    from app.sessions.model import Session


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session just opened or refreshed: its user and its tokens, which live for `expires_in` and
    `refresh_expires_in` seconds."""

    user: User
    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str | None = field(repr=False)
    """None for a client without the scope OFFLINE."""
    refresh_expires_in: int
    permissions: frozenset[str]
    """What the user may do."""
    session: Session = field(repr=False)
    device_token: str | None = field(default=None, repr=False)
    """Makes the device known at its next login; a refresh gives none."""


@dataclass(frozen=True, slots=True)
class IssuedAccess:
    """An access token of a session, which lives for `expires_in` seconds."""

    access_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class SessionTokens:
    """Makes the tokens of sessions."""

    access_tokens: AccessTokens
    secrets: SecretKeys
    observer: Observer
    hooks: Hooks | None

    def added_claims(self, user: User, session: Session) -> Mapping[str, Any]:
        """The claims that hooks add. Ask before the session is written: raises Unavailable if a hook fails."""
        if session.is_of_third_party:  # hooks do not know that others will read them
            return {}
        return added_claims(self.hooks, user, session.id, session.created_at)

    def access(
        self,
        session: Session,
        user: User,
        now: datetime,
        *,
        grant: Grant,
        claims: Mapping[str, Any],
        part: Part = WHOLE,
    ) -> IssuedAccess:
        """An access token for this `part` of what the session has, with the `claims` that hooks add."""
        # Not longer than the session, so that other services accept it no longer than we do.
        lifetime = min(self.access_tokens.spread(self.access_tokens.lifetime), _seconds_left(session, now))
        token = self.access_tokens.issue(
            subject=user.id,
            session_id=session.id,
            roles=user.roles,
            lifetime=lifetime,
            authentication=session.authentication,
            added=claims,
            audiences=part.resources or session.audiences,
            client_id=session.client_id or OWN_CLIENT,
            scope=None if session.client_id is None else " ".join(part.scopes or session.granted_scopes),
            bound_to=part.bound_to,
        )
        self.observer.token_issued(grant)
        return IssuedAccess(token, lifetime)

    def pair(
        self,
        session: Session,
        user: User,
        now: datetime,
        *,
        grant: Grant,
        claims: Mapping[str, Any],
        permissions: frozenset[str],
        part: Part = WHOLE,
    ) -> OpenedSession:
        """The same with a refresh token, if the session has one, and with what the user may do."""
        access = self.access(session, user, now, grant=grant, claims=claims, part=part)
        is_login, refresh_token = session.client_id is None, None
        if is_login or OFFLINE in session.granted_scopes:
            refresh_token = refresh_tokens.make(
                self.secrets.current, session.id, session.generation, session.seed, of_client=not is_login
            )
        return OpenedSession(
            user=user,
            access_token=access.access_token,
            expires_in=access.expires_in,
            refresh_token=refresh_token,
            refresh_expires_in=_seconds_left(session, now),
            permissions=permissions,
            session=session,
        )


def _seconds_left(session: Session, now: datetime) -> int:
    return int((session.idle_expires_at - now).total_seconds())
