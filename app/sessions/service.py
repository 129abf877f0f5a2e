"""Sessions: opened by a login or for a client, listed, ended, and kept when their user authenticates again.

Their tokens are in `session_tokens.py`; `refresh.py` exchanges refresh tokens, `authenticator.py` takes access tokens.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from app.platform import pieces
from app.platform.devices import LONGEST_USER_AGENT
from app.platform.errors import Forbidden, NotFound, SessionEnded
from app.platform.identifiers import new_id
from app.sessions.granted import OFFLINE, WHOLE, Part
from app.sessions.model import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from app.accounts.authentication import Authentication
    from app.accounts.model import Credentials, User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.platform.instrumentation import Grant
    from app.sessions.granted import Granted
    from app.sessions.impersonation import ImpersonationService
    from app.sessions.limits import SessionLimits
    from app.sessions.live import LiveSessions
    from app.sessions.model import ClientNames, Sessions
    from app.sessions.session_tokens import IssuedAccess, OpenedSession, SessionTokens
    from app.throttle.device_tokens import DeviceTokens, Trust

Scope = Literal["this", "others", "all"]
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class SessionService:
    """Opens, lists and ends sessions, and renews the authentication of one."""

    sessions: Sessions
    live: LiveSessions
    impersonations: ImpersonationService
    accounts: Accounts
    tokens: SessionTokens
    devices: DeviceTokens
    clock: Clock
    limits: SessionLimits
    permissions_of: Callable[[tuple[str, ...], int | None], frozenset[str]]
    client_names: ClientNames | None = None

    def open_session(
        self,
        credentials: Credentials,
        device: Device,
        grant: Grant,
        *,
        authentication: Authentication,
        device_id: str | None = None,
        trust: Trust | None = None,
        granted: Granted | None = None,
    ) -> OpenedSession:
        """Open a session for a user who has proven all that a login needs; `device_id` is that of a known device, and
        `trust` that in it, whose token keeps it.

        Only `app.sessions.gate.LoginGate` calls this: it knows what a login needs.

        Raises SessionEnded if the user was deleted or disabled, or their password changed, in between; a change that
        comes after it ends the session by its epoch. The user's least recently used sessions end if there are too many.
        Raises Unavailable, and opens none, if a hook that adds claims fails.
        """
        user, session = credentials.user, self._new(credentials, device, authentication)
        now, permissions = session.created_at, self.permissions_of(user.roles, None)
        if granted is not None:
            session = self._of_client(session, granted)
        claims = self.tokens.added_claims(user, session)
        by_trust = {"second_factor": "trusted_device"} if authentication.by_trusted_device else {}
        events = [self.accounts.audit.event(user.id, "session.opened", device, session_id=session.id, **by_trust)]
        if trust is not None and not authentication.by_trusted_device:
            told = {"session_id": session.id, "days": str(trust.days)}
            events.append(self.accounts.audit.event(user.id, "device.trusted", device, **told))
        most = self.limits.most if granted is None else self.limits.most_of_client
        if not self.sessions.open(session, events, most=most):
            raise SessionEnded
        self.accounts.audit.tell(events)
        part = WHOLE if granted is None else Part(resources=granted.narrowed_to, bound_to=granted.bound_to)
        seen = replace(user, last_login_at=now)
        opened = self.tokens.pair(session, seen, now, grant=grant, claims=claims, permissions=permissions, part=part)
        if granted is not None:
            return opened
        return replace(opened, device_token=self.devices.make(user.id, credentials.auth_epoch, device_id, trust))

    def _new(self, credentials: Credentials, device: Device, authentication: Authentication) -> Session:
        now = self.clock()
        expires_at = now + timedelta(seconds=self.limits.absolute)
        return Session(
            id=new_id(),
            user_id=credentials.user.id,
            auth_epoch=credentials.auth_epoch,
            seed=secrets.token_bytes(_SEED_BYTES),
            generation=0,
            created_at=now,
            last_used_at=now,
            idle_expires_at=self.limits.idle_end(now, expires_at),
            expires_at=expires_at,
            ip=device.ip,
            user_agent=device.user_agent[:LONGEST_USER_AGENT],
            authenticated_at=authentication.at,
            amr=authentication.kept,
        )

    def _of_client(self, session: Session, granted: Granted) -> Session:
        """The session of a client. Raises SessionEnded if that which it is to end with is not live."""
        expires_at = session.expires_at
        if granted.seconds is not None:
            expires_at = min(expires_at, session.created_at + timedelta(seconds=granted.seconds))
        if granted.parent_id is not None:
            parent = self.sessions.find_live(granted.parent_id, session.created_at)
            if parent is None or parent.user.id != session.user_id:
                raise SessionEnded
            expires_at = min(expires_at, parent.session.expires_at)
        is_renewed = OFFLINE in granted.scopes
        return replace(
            session,
            id=granted.session_id,
            client_id=granted.client_id,
            first_party=granted.first_party,
            scopes=" ".join(granted.scopes),
            resources=" ".join(granted.resources) or None,
            parent_id=granted.parent_id,
            dpop_jkt=granted.bound_to if granted.keeps_key else None,
            expires_at=expires_at,
            idle_expires_at=min(session.idle_expires_at, expires_at) if is_renewed else expires_at,
        )

    def renew(self, principal: Principal, authentication: Authentication, device: Device) -> IssuedAccess:
        """A new access token of the caller's session, which keeps what its user has proven now.

        Raises SessionEnded if the session has ended, and Unavailable, before anything is written, if a hook fails.
        """
        now = self.clock()
        live = self.sessions.find_live(principal.session_id, now)
        if live is None:
            raise SessionEnded
        claims = self.tokens.added_claims(live.user, live.session)
        amr = authentication.kept
        if not self.sessions.reauthenticate(live.session.id, at=authentication.at, amr=amr):
            raise SessionEnded
        self.accounts.audit.record(live.user.id, "session.reauthenticated", device, session_id=live.session.id, amr=amr)
        session = replace(live.session, authenticated_at=authentication.at, amr=amr)
        part = Part(bound_to=principal.bound_to)
        return self.tokens.access(session, live.user, now, grant="reauthenticate", claims=claims, part=part)

    # Lists

    def list_of(self, user: User) -> list[Session]:
        """The live sessions of a user, in the order of their opening."""
        return self.sessions.of_user(user.id, self.clock())

    def clients_of(self, sessions: Iterable[Session]) -> Mapping[str, str]:
        """The names of the clients of these sessions, by their identifiers; one that is gone is called by its own."""
        ids = {session.client_id for session in sessions if session.client_id is not None}
        known = self.client_names.names_of(ids) if ids and self.client_names is not None else {}
        return {client_id: known.get(client_id, client_id) for client_id in ids}

    # Ends

    def log_out(self, principal: Principal, scope: Scope, device: Device) -> None:
        """End this session of the caller, the others, or all.

        Raises SessionEnded if it has ended meanwhile, and others than itself were to be ended; Forbidden for an
        impersonation, which ends only itself.
        """
        user_id = principal.user.id
        if principal.kind != "session":
            if scope != "this":
                raise Forbidden("An administrator who acts for a user ends only their own access to the account.")
            self.impersonations.end(principal.session_id, user_id, device, by=principal)
            return
        if scope == "this":
            self.end_if_live(principal.session_id, principal.user, "session.ended", device, by=principal)
            return
        # The session of the caller has to hold: to keep one that, for example, a password reset had ended, would
        # revive it.
        keep = principal.session_id if scope == "others" else None
        self.accounts.change(
            user_id,
            lambda account: account.in_new_epoch(keep=keep),
            by=principal,
            actions=[f"sessions.ended_{scope}"],
            device=device,
        )

    def end(self, session_id: str, user: User, device: Device | None) -> None:
        """End one of the user's sessions, or an impersonation of them; raises NotFound for any other."""
        if self.end_if_live(session_id, user, "session.ended", device, session_id=session_id):
            return
        if not self.impersonations.end(session_id, user.id, device):
            raise NotFound

    def supersede(self, principal: Principal, opened: OpenedSession, device: Device) -> None:
        """End the session of a browser in which somebody has just logged in anew.

        If that is the same user, what clients got in it goes on in the new one: or a login in one tab would log them
        out of an application that they have just logged in to in another.
        """
        heir_id = opened.session.id if opened.user.id == principal.user.id else None
        self.end_if_live(principal.session_id, principal.user, "session.ended", device, by=principal, heir_id=heir_id)

    def revoke_for_client(self, session_id: str, client_id: str, device: Device) -> bool:
        """End a session of this client, which asks for it, so it need not be told; False if it has no such session."""
        return self._end_for_client(session_id, client_id, device, revoked_by=client_id)

    def end_for_client(self, session_id: str, client_id: str, device: Device) -> bool:
        """End a session of this client, of which it does not know; False if it has no such session."""
        return self._end_for_client(session_id, client_id, device)

    def _end_for_client(self, session_id: str, client_id: str, device: Device, **announced: str) -> bool:
        live = self.sessions.find_live(session_id, self.clock())
        if live is None or live.session.client_id != client_id:
            return False
        return self.end_if_live(
            *(session_id, live.user, "session.ended", device),
            announced=announced,
            session_id=session_id,
            client_id=client_id,
        )

    def end_if_live(
        self,
        session_id: str,
        user: User,
        action: str,
        device: Device | None,
        /,
        *,
        by: Principal | None = None,
        announced: Mapping[str, str] = MappingProxyType({}),
        heir_id: str | None = None,
        **details: str,
    ) -> bool:
        """End a session and record it as `action`; False, and nothing is recorded, if it has ended already.

        `by` is the caller who ends it, if there is one. `announced` is for those who tell others of it. The sessions
        below it end, too, or go below that of `heir_id`.
        """
        self.accounts.announce(
            user.id,
            action,
            lambda: self.live.principal(session_id, user.id) is not None,
            by=by,
            session_id=session_id,
            **announced,
        )
        event = self.accounts.audit.event(user.id, action, device, **details)
        ended = self.sessions.end(session_id, user.id, [event], heir_id=heir_id)
        if ended:
            self.accounts.audit.tell([event])
        return ended

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete all sessions of a user who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.sessions.end_some_of(user_id, limit))
