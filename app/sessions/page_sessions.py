"""The sessions of pages: an ordinary session, which a browser holds by a cookie, and whose tokens nobody gets.

As a refresh token, the cookie is computed and never stored: it holds the session, its generation, and a MAC over both
and the seed. The MAC has a label of its own, so no refresh token is a cookie and no cookie a refresh token. The cookie
authenticates pages, and nothing else: no endpoint that takes JSON reads it.
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.accounts.principal import Principal
from app.platform.errors import InvalidToken, SessionEnded, Unavailable
from app.security.canonical import decoded
from app.throttle import device_tokens
from app.web.guard import PAGE_COOKIE
from app.web.result import Cookie

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.security.secret_keys import RootKey, SecretKeys
    from app.sessions.authenticator import AccessTokenAuthenticator
    from app.sessions.limits import SessionLimits
    from app.sessions.model import Sessions
    from app.sessions.session_tokens import OpenedSession
    from app.web.result import CookieChange

DEVICE_COOKIE: Final = Cookie(
    "__Host-latchkey-device",
    "The device token of the last login in a page; `latchkey-device` over http in development.",
    same_site="Lax",
)
_SLIDES_EVERY: Final = timedelta(days=1)
_LABEL: Final = "latchkey page session"
_VERSION: Final = 3
"""Other than that of refresh tokens, which have the same length."""
_FIELDS: Final = struct.Struct(">H16sI")
_MAC_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class PageSessions:
    """Finds the session of a page by its cookie: an `app.web.caller.Authenticator` of cookies."""

    sessions: Sessions
    authenticator: AccessTokenAuthenticator
    permissions_of: Callable[[tuple[str, ...], int | None], frozenset[str]]
    secrets: SecretKeys
    clock: Clock
    limits: SessionLimits

    def opened(self, opened: OpenedSession) -> tuple[CookieChange, ...]:
        """The cookies of a login that opened a session: that of the session, and that of the device."""
        cookies = (PAGE_COOKIE.set(self.cookie_of(opened), seconds=max(1, opened.refresh_expires_in)),)
        if opened.device_token is None:
            return cookies
        lives = int(device_tokens.LIVES.total_seconds())
        return (*cookies, DEVICE_COOKIE.set(opened.device_token, seconds=lives))

    def cookie_of(self, opened: OpenedSession) -> str:
        """The value of the cookie of a session just opened."""
        return self._cookie(opened.session.id, opened.session.generation, opened.session.seed)

    def visitor(self, cookie: str | None) -> Principal | None:
        """Who is logged in by this cookie; None if nobody is. Raises Unavailable."""
        if cookie is None:
            return None
        with suppress(InvalidToken, SessionEnded):
            return self.authenticate(cookie)
        return None

    def recognises(self, token: str) -> bool:
        """Whether a text has the form of a cookie."""
        return _parsed(token) is not None

    def authenticate(self, token: str) -> Principal:
        """The principal of this cookie, in one round trip to the store.

        The cookie of the generation before is good for the grace time, since other tabs may have sent it already; later
        it is refused, and ends nothing. Raises InvalidToken, or SessionEnded if the session is not live.
        """
        sent = _parsed(token)
        if sent is None:
            raise InvalidToken
        session_id, generation, mac = sent
        now = self.clock()
        live = self.sessions.find_live(session_id, now)
        if live is None:
            raise SessionEnded
        session = live.session
        fields = _fields(session_id, generation)
        if not any(hmac.compare_digest(mac, _mac(root, fields, session.seed)) for root in self.secrets):
            raise InvalidToken
        if generation != session.generation and not self.limits.is_in_grace(generation, session, now):
            raise SessionEnded
        return Principal(
            live.user,
            session.id,
            session.created_at,
            session.last_used_at,
            self.permissions_of(live.user.roles, live.roles_version),
            roles_version=live.roles_version,
            authentication=session.authentication,
        )

    def renewed(self, principal: Principal, device: Device) -> CookieChange | None:
        """The cookie of the next generation of this session, after its user proved again who they are.

        None if another request began that generation: its reply has the cookie. Raises SessionEnded.
        """
        return self._next(principal, device, since=None)

    def slid(self, principal: Principal, device: Device) -> CookieChange | None:
        """The same, so that a session that is used does not expire; None if that was done within a day, the session has
        ended meanwhile, or the store does not answer: the page goes before."""
        if self.clock() - principal.opened_at < _SLIDES_EVERY:  # spares the read
            return None
        with suppress(SessionEnded, Unavailable):
            return self._next(principal, device, since=self.clock() - _SLIDES_EVERY)
        return None

    def use_is_due(self, principal: Principal) -> bool:
        """Whether `note_use` is due."""
        return self.authenticator.use_is_due(principal)

    def note_use(self, principal: Principal) -> None:
        """Record that the session was used."""
        self.authenticator.note_use(principal)

    def require_fresh_login(self, principal: Principal) -> None:
        """Raises ReauthenticationRequired, as for an access token."""
        self.authenticator.require_fresh_login(principal)

    def _next(self, principal: Principal, device: Device, *, since: datetime | None) -> CookieChange | None:
        now = self.clock()
        live = self.sessions.find_live(principal.session_id, now)
        if live is None:
            raise SessionEnded
        session = live.session
        if since is not None and (session.rotated_at or session.created_at) > since:
            return None
        expires_at = self.limits.idle_end(now, session.expires_at)
        if not self.sessions.rotate(session.id, session.generation, now=now, idle_expires_at=expires_at, ip=device.ip):
            return None
        value = self._cookie(session.id, session.generation + 1, session.seed)
        return PAGE_COOKIE.set(value, seconds=max(1, int((expires_at - now).total_seconds())))

    def _cookie(self, session_id: str, generation: int, seed: bytes) -> str:
        fields = _fields(session_id, generation)
        return urlsafe_b64encode(fields + _mac(self.secrets.current, fields, seed)).decode()


def _parsed(cookie: str) -> tuple[str, int, bytes] | None:
    """Session, generation and MAC; None for a text that cannot be a cookie, so that it costs no read of the store."""
    content = decoded(cookie, _FIELDS.size + _MAC_BYTES)
    if content is None:
        return None
    version, session, generation = _FIELDS.unpack_from(content)
    return None if version != _VERSION else (str(UUID(bytes=session)), generation, content[_FIELDS.size :])


def _fields(session_id: str, generation: int) -> bytes:
    return _FIELDS.pack(_VERSION, UUID(session_id).bytes, generation)


def _mac(root: RootKey, fields: bytes, seed: bytes) -> bytes:
    return hmac.new(root.derive(_LABEL), fields + seed, sha256).digest()
