"""Clients are told of sessions that have ended (OpenID Connect Back-Channel Logout 1.0).

What ends sessions leaves an entry in the outbox of the account, in the same write or before it. Its handler finds out
which sessions did end, and makes a notice of each for a client that wants to know. A worker claims a notice by a
conditional write that postpones it: if the worker dies, another posts it again. So each arrives at least once.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import jwt
import structlog

from app.oauth.logout_notices.model import LogoutNotice
from app.outbox.model import Entry
from app.platform.identifiers import derived_id, new_id, time_in
from app.security.egress import EgressError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from app.accounts.account import Account
    from app.accounts.publisher import Change
    from app.keys.service import KeyService
    from app.oauth.clients.model import Clients
    from app.oauth.logout_notices.model import LogoutNotices
    from app.oauth.registry import ClientRegistry
    from app.platform.clock import Clock
    from app.security.egress import Egress
    from app.sessions.model import Session, Sessions

KIND: Final = "backchannel_logout"
"""The kind of the entries."""
ENDS_ONE: Final = frozenset({"session.ended", "session.reused"})
"""Audit actions that end the session of their details, and those below it. They are announced before."""
RETRIES: Final = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
"""How long to wait after each attempt that failed; behind the last, the client is not told."""
LIVES: Final = timedelta(hours=2)
"""How long a notice is kept at the most."""
TOKEN_SECONDS: Final = 120
"""How long a logout token may be used: it is made for each attempt."""
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_KNOWN_FOR: Final = timedelta(seconds=10)
_AROUND: Final = timedelta(minutes=1)
_SOON: Final = timedelta(seconds=5)
_TRIES_FOR_SESSION: Final = 12
"""A session whose end was announced has ended by the last of them, or its end has failed."""
_DONE: Final = frozenset({200, 204, 400})
"""The client knows; or it says that it does not take the token (section 2.8), which another attempt would not mend."""
_COUNTED: Final = 1000
_log = structlog.get_logger("latchkey.oauth")


class Listeners:
    """Whether any client wants to be told, known for some seconds: it is asked at each change that ends sessions."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._lock = Lock()
        self._known: tuple[datetime, bool] | None = None

    def are_there(self) -> bool:
        """Whether there are any. Raises Unavailable."""
        now = self._clock()
        with self._lock:
            if self._known is not None and now - self._known[0] < _KNOWN_FOR:
                return self._known[1]
        found = self._clients.have_logout()
        with self._lock:
            self._known = now, found
        return found


@dataclass(frozen=True, slots=True)
class LogoutPublisher:
    """An `app.accounts.publisher.Publisher`: leaves the sessions of clients that are about to end."""

    listeners: Listeners
    sessions: Sessions
    clock: Clock

    def wants(self, action: str) -> bool:
        return action in ENDS_ONE and self.listeners.are_there()

    def entries(self, change: Change) -> tuple[Entry, ...]:
        ends_one = not ENDS_ONE.isdisjoint(change.actions)
        if not (ends_one or _ends_all(change)) or not self.listeners.are_there():
            return ()
        now, user_id = self.clock(), change.after.user.id
        theirs = [session for session in self.sessions.of_user(user_id, now) if session.client_id is not None]
        entry_id, ended = new_id(), None
        if ends_one:
            ended, knows = change.details["session_id"], change.details.get("revoked_by")
            theirs = [each for each in theirs if ended in {each.id, each.parent_id} and each.client_id != knows]
            # Stored before the session ends, by each of those that end it at once.
            entry_id = derived_id(time_in(ended), f"{KIND} {ended}")
        if not theirs and ended is not None:
            return ()
        payload = {"at": int(now.timestamp() * 1000), "sessions": {each.id: each.client_id for each in theirs}}
        return (Entry(entry_id, KIND, payload if ended is None else payload | {"ended": ended}, now),)


def _ends_all(change: Change) -> bool:
    """Whether the change ends all sessions of clients: with the account, or by a new epoch, whatever that is for."""
    return change.before is not None and change.before.auth_epoch != change.after.auth_epoch


@dataclass(frozen=True, slots=True)
class BackchannelLogout:
    """Makes notices, and makes the attempts that are due."""

    notices: LogoutNotices
    sessions: Sessions
    registry: ClientRegistry
    keys: KeyService
    egress: Egress
    clock: Clock
    issuer: str

    def told(self, account: Account, entry: Entry) -> datetime | None:
        """Make a notice of each session that has ended; gives when to try again. Handles KIND."""
        now, user_id = self.clock(), account.user.id
        live = {session.id for session in self.sessions.of_user(user_id, now)}
        if entry.payload.get("ended") in live:  # its end is under way, or failed
            return now + _SOON if entry.attempts < _TRIES_FOR_SESSION else None
        ended: dict[str, str] = {
            session_id: client_id
            for session_id, client_id in entry.payload["sessions"].items()
            if session_id not in live
        }
        ended |= self._opened_around(user_id, entry, live)
        wanted = {client_id: self._wants(client_id) for client_id in set(ended.values())}
        self.notices.add(
            [
                LogoutNotice(session_id, user_id, client_id, 0, now, now + LIVES)
                for session_id, client_id in ended.items()
                if wanted[client_id]
            ]
        )
        return None

    def end_some_of_client(self, client_id: str, limit: int) -> int:
        """End up to `limit` sessions of a client, and leave a notice of each before; returns how many. Raises
        Unavailable."""
        wants, now = self._wants(client_id), self.clock()

        def leave(ending: Mapping[str, str]) -> None:
            notices = [
                LogoutNotice(session_id, user_id, client_id, 0, now, now + LIVES)
                for session_id, user_id in ending.items()
            ]
            self.notices.add(notices)

        return self.sessions.end_some_of_client(client_id, limit, leave if wants else None)

    def due(self, limit: int, *, beside: Collection[str]) -> list[LogoutNotice]:
        """Up to `limit` notices that are to be posted now, none of the clients in `beside`."""
        return self.notices.due(self.clock(), limit, beside=beside)

    def claim(self, notice: LogoutNotice) -> bool:
        """Take the next attempt; False if another has it."""
        wait = RETRIES[min(notice.attempts, len(RETRIES) - 1)]
        return self.notices.claim(notice, self.clock() + wait)

    def attempt(self, notice: LogoutNotice) -> None:
        """Post a notice that was claimed. It is removed when the client knows, or has failed for the last time."""
        client = self.registry.find(notice.client_id)
        url = None if client is None else client.backchannel_logout_uri
        if url is None or self._is_told(url, notice) or notice.attempts >= len(RETRIES):
            self.notices.remove(notice.id)

    def waiting(self) -> int:
        """How many notices wait, up to 1000."""
        return self.notices.waiting(_COUNTED)

    def token(self, notice: LogoutNotice) -> str:
        """The logout token (section 2.4). Its `typ` keeps it from being taken for another (section 2.6)."""
        key, now = self.keys.signing_key(), int(self.clock().timestamp())
        claims = {
            "iss": self.issuer,
            "sub": notice.user_id,
            "aud": notice.client_id,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "jti": secrets.token_urlsafe(16),
            "events": {EVENT: {}},
            "sid": notice.id,
        }
        return jwt.encode(claims, key.signing, algorithm=key.alg, headers={"typ": "logout+jwt", "kid": key.kid})

    def _is_told(self, url: str, notice: LogoutNotice) -> bool:
        body = urlencode({"logout_token": self.token(notice)}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        facts = {"client_id": notice.client_id, "attempt": notice.attempts + 1}
        try:
            reply = self.egress.request("POST", url, body=body, headers=headers)
        except EgressError as error:
            _log.warning("back-channel logout", outcome=str(error), **facts)
            return False
        if reply.status not in {200, 204}:
            _log.warning("back-channel logout", outcome=f"status {reply.status}", **facts)
        return reply.status in _DONE

    def _opened_around(self, user_id: str, entry: Entry, live: set[str]) -> Mapping[str, str]:
        """Those that were opened while all were about to end, and so were not found then."""
        if "ended" in entry.payload:
            return {}
        at = datetime.fromtimestamp(entry.payload["at"] / 1000, UTC)

        def is_one(session: Session) -> bool:
            return session.id not in live and abs(session.created_at - at) < _AROUND

        found = filter(is_one, self.sessions.of_clients(user_id))
        return {session.id: session.client_id for session in found if session.client_id is not None}

    def _wants(self, client_id: str) -> bool:
        client = self.registry.find(client_id)
        return client is not None and client.backchannel_logout_uri is not None
