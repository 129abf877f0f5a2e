"""Refresh tokens: exchanged for the next pair, looked at, and revoked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from app.platform.errors import InvalidRefreshToken, ReusedRefreshToken, SessionEnded, Unavailable
from app.sessions import refresh_tokens
from app.sessions.granted import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.accounts.model import User
    from app.accounts.service import Accounts
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.platform.instrumentation import Grant
    from app.security.secret_keys import SecretKeys
    from app.sessions.granted import Asked, Part
    from app.sessions.limits import SessionLimits
    from app.sessions.model import LiveSession, Session, Sessions
    from app.sessions.refresh_tokens import RefreshToken
    from app.sessions.service import SessionService
    from app.sessions.session_tokens import OpenedSession, SessionTokens

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class RefreshService:
    """Exchanges refresh tokens."""

    sessions: Sessions
    service: SessionService
    tokens: SessionTokens
    accounts: Accounts
    secrets: SecretKeys
    clock: Clock
    limits: SessionLimits
    permissions_of: Callable[[tuple[str, ...], int | None], frozenset[str]]

    def refresh(self, refresh_token: str, device: Device) -> OpenedSession:
        """Exchange a refresh token for a new pair.

        Within the grace time after its first exchange, the previous token gives the current one again, so that two
        tabs, or a client that lost the reply, stay logged in. Any other exchange of an old token ends the session
        (RFC 9700 section 4.14.2). Raises InvalidRefreshToken or ReusedRefreshToken.
        """
        return self._refresh(refresh_token, device, None)

    def refresh_for(self, refresh_token: str, device: Device, asked: Asked) -> OpenedSession:
        """The same for a client, whose refresh token has to be its own.

        Raises, before the exchange, NarrowingError if it asks for more than the session has, and OtherKeyError if it
        does not come with its key. A session that has what its client has lost since ends, and its refresh token is an
        InvalidRefreshToken.
        """
        return self._refresh(refresh_token, device, asked)

    def session_of(self, refresh_token: str, *, repeated: bool = False) -> Session | None:
        """The live session that this refresh token would renew now; None for any other text. Nothing is written.

        With `repeated` one counts, too, that was exchanged, and gives the same tokens again (see `refresh`).
        """
        now, sent = self.clock(), refresh_tokens.parse(refresh_token)
        live = None if sent is None else self._live_of(sent, now)
        if sent is None or live is None:
            return None
        if sent.generation == live.session.generation:
            return live.session
        is_repeated = repeated and self.limits.is_in_grace(sent.generation, live.session, now)
        return live.session if is_repeated else None

    def revoke(self, refresh_token: str, client_id: str, device: Device) -> bool:
        """End the session of this client that the refresh token is of, an earlier one, too; False if there is none."""
        sent = refresh_tokens.parse(refresh_token)
        live = None if sent is None else self._live_of(sent, self.clock())
        return live is not None and self.service.revoke_for_client(live.session.id, client_id, device)

    def _refresh(self, refresh_token: str, device: Device, asked: Asked | None) -> OpenedSession:
        sent = refresh_tokens.parse(refresh_token)
        if sent is None or sent.of_client is (asked is None):
            raise InvalidRefreshToken
        grant: Grant = "refresh" if asked is None else "client_refresh"
        for _ in range(_ATTEMPTS):
            now = self.clock()
            live = self._live_of(sent, now)
            if live is None:
                raise InvalidRefreshToken
            session, permissions = live.session, self.permissions_of(live.user.roles, live.roles_version)
            part = self._part(asked, live, device)
            pair = partial(self.tokens.pair, user=live.user, now=now, grant=grant, permissions=permissions, part=part)
            if sent.generation == session.generation:
                claims = self.tokens.added_claims(live.user, session)
                idle_end = self.limits.idle_end(now, session.expires_at)
                if self.sessions.rotate(
                    session.id, session.generation, now=now, idle_expires_at=idle_end, ip=device.ip
                ):
                    renewed = replace(session, generation=session.generation + 1, idle_expires_at=idle_end)
                    return pair(renewed, claims=claims)
                continue  # another exchange of the same token was faster: read the session again
            if self.limits.is_in_grace(sent.generation, session, now):
                claims = self.tokens.added_claims(live.user, session)
                self._report_repetition(session, live.user, device)
                return pair(session, claims=claims)
            if self.service.end_if_live(session.id, live.user, "session.reused", device, session_id=session.id):
                self._warn_of_reuse(live.user, device)
            raise ReusedRefreshToken
        raise Unavailable

    def _live_of(self, sent: RefreshToken, now: datetime) -> LiveSession | None:
        """The live session that a refresh token was made for; None if it was not made here."""
        live = self.sessions.find_live(sent.session_id, now)
        return live if live is not None and refresh_tokens.is_genuine(sent, live.session.seed, self.secrets) else None

    def _part(self, asked: Asked | None, live: LiveSession, device: Device) -> Part:
        """What the new access token is for.

        Raises InvalidRefreshToken for a session of somebody else than who asks, and what `Asked.part_of` does. A
        session that has what its client has lost since ends.
        """
        session = live.session
        if session.client_id != (None if asked is None else asked.client_id):
            raise InvalidRefreshToken
        if asked is None:
            return WHOLE
        if not asked.may_keep(session):
            self.service.end_if_live(session.id, live.user, "session.ended", device, session_id=session.id)
            raise InvalidRefreshToken
        return asked.part_of(session)

    def _report_repetition(self, session: Session, user: User, device: Device) -> None:
        """Record that a token was sent again within its grace time: once, however often it was sent."""
        self.accounts.audit.record_once(
            user.id,
            "session.repeated",
            device,
            since=session.rotated_at or session.created_at,
            subject=f"{session.id} {session.generation}",
            session_id=session.id,
        )

    def _warn_of_reuse(self, user: User, device: Device) -> None:
        """Inform the owner of a session that its token was used twice: someone else may have a copy of it."""
        with suppress(SessionEnded):  # the user was deleted or disabled meanwhile
            self.accounts.change(user.id, lambda account: self.accounts.with_warning(account, "session_reused", device))
