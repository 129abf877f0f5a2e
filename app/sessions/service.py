"""The life of a session: opened by a login, shown by access tokens, renewed by refresh tokens, ended."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from app.accounts.authentication import Authentication
from app.platform import pieces
from app.platform.devices import LONGEST_USER_AGENT
from app.platform.errors import (
    ExpiredToken,
    Forbidden,
    InvalidRefreshToken,
    InvalidToken,
    NotFound,
    ReauthenticationRequired,
    ReusedRefreshToken,
    SessionEnded,
    Unavailable,
)
from app.platform.identifiers import new_id
from app.platform.instrumentation import NOBODY
from app.platform.uris import as_written
from app.security import dpop
from app.security.dpop import ProofRefusedError
from app.sessions import refresh_tokens
from app.sessions.access_tokens import OWN_CLIENT, RefusedTokenError, has_form
from app.sessions.added_claims import added_claims
from app.sessions.granted import OFFLINE, NarrowingError, OtherKeyError
from app.sessions.model import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from app.accounts.model import Credentials, User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.hooks.calls import Hooks
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.platform.instrumentation import Grant, Observer
    from app.security.dpop import Proofs, SentProof
    from app.security.secret_keys import SecretKeys
    from app.sessions.access_tokens import AccessTokens, Claims
    from app.sessions.granted import Granted
    from app.sessions.impersonation import ImpersonationService
    from app.sessions.live import LiveSessions
    from app.sessions.model import ClientNames, LiveSession, Sessions
    from app.sessions.refresh_tokens import RefreshToken
    from app.sessions.step_up import StepUpMethods
    from app.throttle.device_tokens import DeviceTokens, Trust

Scope = Literal["this", "others", "all"]
_SEED_BYTES = 32
_ATTEMPTS = 10
_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session just opened: its user and its tokens, which live for `expires_in` and `refresh_expires_in` seconds."""

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
class Asked:
    """What a client asks for at a refresh; nothing is all that its session has."""

    client_id: str
    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    bound_to: str | None = None
    """The thumbprint of the key that it has proven (RFC 9449), and that its token is bound to."""
    may_keep: Callable[[Session], bool] = lambda _: True
    """Whether the client may have still what its session was given."""

    def part_of(self, session: Session) -> Asked:
        """The same, with its resources as the session has them. Raises NarrowingError for more than that has, and
        OtherKeyError without its key."""
        if session.dpop_jkt not in {None, self.bound_to}:
            raise OtherKeyError
        if not set(self.scopes) <= set(session.granted_scopes):
            raise NarrowingError("scope")
        resources = [as_written(each, session.audiences) for each in self.resources]
        found = tuple(dict.fromkeys(uri for uri in resources if uri is not None))
        if None in resources:
            raise NarrowingError("resource")
        return replace(self, resources=found)


@dataclass(frozen=True, slots=True)
class RenewedToken:
    """An access token of a session whose user has authenticated again, which lives for `expires_in` seconds."""

    access_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long sessions live, in seconds, and how many a user can have: `most` logins, `most_of_client` of a client.

    `idle` counts from the last refresh, `absolute` from the login. For `grace` after the first exchange of a refresh
    token, the same token gives the same new one again. A login counts as recent for `fresh`.
    """

    idle: int
    absolute: int
    grace: int
    most: int
    fresh: int
    most_of_client: int


class SessionService:
    """Opens, renews, lists and ends sessions; an `app.web.caller.Authenticator` of their access tokens."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        live: LiveSessions,
        impersonations: ImpersonationService,
        accounts: Accounts,
        tokens: AccessTokens,
        secrets: SecretKeys,
        devices: DeviceTokens,
        clock: Clock,
        limits: SessionLimits,
        permissions_of: Callable[[tuple[str, ...], int | None], frozenset[str]],
        step_up: StepUpMethods,
        observer: Observer = NOBODY,
        hooks: Hooks | None = None,
        client_names: ClientNames | None = None,
        proofs: Proofs | None = None,
    ) -> None:
        self._sessions = sessions
        self._live = live
        self._impersonations = impersonations
        self._accounts = accounts
        self._tokens = tokens
        self._secrets = secrets
        self._devices = devices
        self._clock = clock
        self._limits = limits
        self._permissions_of = permissions_of
        self._step_up = step_up
        self._observer = observer
        self._hooks = hooks
        self._client_names = client_names
        self._proofs = proofs

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
        user, now = credentials.user, self._clock()
        permissions = self._permissions_of(user.roles, None)
        session = Session(
            id=new_id() if granted is None else granted.session_id,
            user_id=user.id,
            auth_epoch=credentials.auth_epoch,
            seed=secrets.token_bytes(_SEED_BYTES),
            generation=0,
            created_at=now,
            last_used_at=now,
            idle_expires_at=now + timedelta(seconds=self._limits.idle),
            expires_at=now + timedelta(seconds=self._limits.absolute),
            ip=device.ip,
            user_agent=device.user_agent[:LONGEST_USER_AGENT],
            authenticated_at=authentication.at,
            amr=authentication.kept,
        )
        if granted is not None:
            session = self._of_client(session, granted)
        claims = self._claims(user, session)
        by_trust = {"second_factor": "trusted_device"} if authentication.by_trusted_device else {}
        events = [self._accounts.audit.event(user.id, "session.opened", device, session_id=session.id, **by_trust)]
        if trust is not None and not authentication.by_trusted_device:
            told = {"session_id": session.id, "days": str(trust.days)}
            events.append(self._accounts.audit.event(user.id, "device.trusted", device, **told))
        most = self._limits.most if granted is None else self._limits.most_of_client
        if not self._sessions.open(session, events, most=most):
            raise SessionEnded
        self._accounts.audit.tell(events)
        seen = replace(user, last_login_at=now)
        asked = None
        if granted is not None:
            asked = Asked(granted.client_id, resources=granted.narrowed_to, bound_to=granted.bound_to)
        opened = self._tokens_of(session, seen, permissions, now, grant=grant, claims=claims, asked=asked)
        if granted is not None:
            return opened
        return replace(opened, device_token=self._devices.make(user.id, credentials.auth_epoch, device_id, trust))

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

    def _refresh(self, refresh_token: str, device: Device, asked: Asked | None) -> OpenedSession:
        sent = refresh_tokens.parse(refresh_token)
        if sent is None or sent.of_client is (asked is None):
            raise InvalidRefreshToken
        grant: Grant = "refresh" if asked is None else "client_refresh"
        for _ in range(_ATTEMPTS):
            now = self._clock()
            live = self._live_of(sent, now)
            if live is None:
                raise InvalidRefreshToken
            session, permissions = live.session, self._permissions_of(live.user.roles, live.roles_version)
            asked = self._checked(asked, live, device)
            if sent.generation == session.generation:
                claims = self._claims(live.user, session)
                renewed = replace(
                    session,
                    generation=session.generation + 1,
                    idle_expires_at=min(now + timedelta(seconds=self._limits.idle), session.expires_at),
                )
                if self._sessions.rotate(
                    session.id,
                    session.generation,
                    now=now,
                    idle_expires_at=renewed.idle_expires_at,
                    ip=device.ip,
                ):
                    return self._tokens_of(
                        renewed, live.user, permissions, now, grant=grant, claims=claims, asked=asked
                    )
                continue  # another exchange of the same token was faster: read the session again
            if self._is_in_grace(sent.generation, session, now):
                claims = self._claims(live.user, session)
                self._report_repetition(session, live.user, device)
                return self._tokens_of(session, live.user, permissions, now, grant=grant, claims=claims, asked=asked)
            if self._end(session.id, live.user, "session.reused", device, session_id=session.id):
                self._warn_of_reuse(live.user, device)
            raise ReusedRefreshToken
        raise Unavailable

    def _checked(self, asked: Asked | None, live: LiveSession, device: Device) -> Asked | None:
        """What is asked, with its resources as the session has them.

        Raises InvalidRefreshToken for a session of somebody else than who asks, and NarrowingError. One that has what
        its client has lost since ends.
        """
        session = live.session
        if session.client_id != (None if asked is None else asked.client_id):
            raise InvalidRefreshToken
        if asked is None:
            return None
        if not asked.may_keep(session):
            self._end(session.id, live.user, "session.ended", device, session_id=session.id)
            raise InvalidRefreshToken
        return asked.part_of(session)

    def list_of(self, user: User) -> list[Session]:
        """The live sessions of a user, in the order of their opening."""
        return self._sessions.of_user(user.id, self._clock())

    def clients_of(self, sessions: Iterable[Session]) -> Mapping[str, str]:
        """The names of the clients of these sessions, by their identifiers; one that is gone is called by its own."""
        ids = {session.client_id for session in sessions if session.client_id is not None}
        known = self._client_names.names_of(ids) if ids and self._client_names is not None else {}
        return {client_id: known.get(client_id, client_id) for client_id in ids}

    def end(self, session_id: str, user: User, device: Device | None) -> None:
        """End one of the user's sessions, or an impersonation of them; raises NotFound for any other."""
        if self._end(session_id, user, "session.ended", device, session_id=session_id):
            return
        if not self._impersonations.end(session_id, user.id, device):
            raise NotFound

    def session_of_refresh_token(self, refresh_token: str, *, repeated: bool = False) -> Session | None:
        """The live session that this refresh token would renew now; None for any other text. Nothing is written.

        With `repeated` one counts, too, that was exchanged, and gives the same tokens again (see `refresh`).
        """
        now, sent = self._clock(), refresh_tokens.parse(refresh_token)
        live = None if sent is None else self._live_of(sent, now)
        if sent is None or live is None:
            return None
        if sent.generation == live.session.generation:
            return live.session
        return live.session if repeated and self._is_in_grace(sent.generation, live.session, now) else None

    def revoke_by_refresh_token(self, refresh_token: str, client_id: str, device: Device) -> bool:
        """End the session of this client that the refresh token is of, an earlier one, too; False if there is none."""
        sent = refresh_tokens.parse(refresh_token)
        live = None if sent is None else self._live_of(sent, self._clock())
        return live is not None and self.revoke_for_client(live.session.id, client_id, device)

    def revoke_for_client(self, session_id: str, client_id: str, device: Device) -> bool:
        """The same by its identifier. The client asks for it, so it need not be told."""
        return self._end_for_client(session_id, client_id, device, revoked_by=client_id)

    def end_for_client(self, session_id: str, client_id: str, device: Device) -> bool:
        """End a session of this client, of which it does not know; False if it has no such session."""
        return self._end_for_client(session_id, client_id, device)

    def _end_for_client(self, session_id: str, client_id: str, device: Device, **announced: str) -> bool:
        live = self._sessions.find_live(session_id, self._clock())
        if live is None or live.session.client_id != client_id:
            return False
        return self._end(
            *(session_id, live.user, "session.ended", device),
            announced=announced,
            session_id=session_id,
            client_id=client_id,
        )

    def log_out(self, principal: Principal, scope: Scope, device: Device) -> None:
        """End this session of the caller, the others, or all.

        Raises SessionEnded if it has ended meanwhile, and others than itself were to be ended; Forbidden for an
        impersonation, which ends only itself.
        """
        user_id = principal.user.id
        if principal.kind != "session":
            if scope != "this":
                raise Forbidden("An administrator who acts for a user ends only their own access to the account.")
            self._impersonations.end(principal.session_id, user_id, device, by=principal)
            return
        if scope == "this":
            self._end(principal.session_id, principal.user, "session.ended", device, by=principal)
            return
        # The session of the caller has to hold: to keep one that, for example, a password reset had ended, would
        # revive it.
        keep = principal.session_id if scope == "others" else None
        self._accounts.change(
            user_id,
            lambda account: account.in_new_epoch(keep=keep),
            by=principal,
            actions=[f"sessions.ended_{scope}"],
            device=device,
        )

    def replace(self, principal: Principal, opened: OpenedSession, device: Device) -> None:
        """End the session of a browser in which somebody has just logged in anew.

        If that is the same user, what clients got in it goes on in the new one: or a login in one tab would log them
        out of an application that they have just logged in to in another.
        """
        heir_id = opened.session.id if opened.user.id == principal.user.id else None
        self._end(principal.session_id, principal.user, "session.ended", device, by=principal, heir_id=heir_id)

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete all sessions of a user who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self._sessions.end_some_of(user_id, limit))

    def require_fresh_login(self, principal: Principal) -> None:
        """Raises ReauthenticationRequired if the user proved who they are more than REAUTH_SECONDS ago, by what the
        access token says, or if a trusted device stood for their second factor.

        Raises Forbidden for an impersonation, in which the user has not logged in.
        """
        if principal.kind != "session":
            raise Forbidden("This needs a login of the user, not of an administrator who acts for them.")
        proven = principal.authentication or Authentication(principal.opened_at)
        if not proven.is_within(self._limits.fresh, self._clock()):
            raise ReauthenticationRequired(max_age=self._limits.fresh, methods=self._step_up.of(principal.user.id))

    def renew(self, principal: Principal, authentication: Authentication, device: Device) -> RenewedToken:
        """A new access token of the caller's session, which keeps what its user has proven now.

        Raises SessionEnded if the session has ended, and Unavailable, before anything is written, if a hook fails.
        """
        now = self._clock()
        live = self._sessions.find_live(principal.session_id, now)
        if live is None:
            raise SessionEnded
        claims = self._claims(live.user, live.session)
        amr = authentication.kept
        if not self._sessions.reauthenticate(live.session.id, at=authentication.at, amr=amr):
            raise SessionEnded
        self._accounts.audit.record(
            live.user.id, "session.reauthenticated", device, session_id=live.session.id, amr=amr
        )
        session = replace(live.session, authenticated_at=authentication.at, amr=amr)
        permissions = self._permissions_of(live.user.roles, live.roles_version)
        opened = self._tokens_of(
            session, live.user, permissions, now, grant="reauthenticate", claims=claims, bound_to=principal.bound_to
        )
        return RenewedToken(opened.access_token, opened.expires_in)

    def use_is_due(self, principal: Principal) -> bool:
        """Whether `note_use` is due: the use of a session is recorded once a minute, that of an impersonation never."""
        return principal.kind in {"session", "client"} and self._clock() - principal.last_used_at >= _USE_NOTED_EVERY

    def note_use(self, principal: Principal) -> None:
        """Record that a session was used."""
        self._sessions.touch(principal.session_id, self._clock())

    def recognises(self, token: str) -> bool:
        """Whether a token has the form of an access token."""
        return has_form(token)

    def authenticate(self, access_token: str) -> Principal:
        """The principal of this access token, with their permissions; one round trip to the store for a session.

        Raises InvalidToken, ExpiredToken, or SessionEnded for a genuine token whose session is not live. A token that
        is bound to a key is not valid here: `authenticate_bound` takes it.
        """
        claims = self._claims_in(access_token)
        if claims.bound_to is not None:
            failure = InvalidToken("This token is bound to a key: send it in `Authorization: DPoP`, with a proof.")
            failure.challenge = dpop.challenge("invalid_token", failure.message)
            raise failure
        return self._live_principal(claims)

    def authenticate_bound(self, access_token: str, proof: SentProof) -> Principal:
        """The principal of this access token, which is bound to a key that the sender proves (RFC 9449 section 7.1).

        The proof is used up last, when all else is in order: so nobody fills the store who holds no such token. Raises
        as `authenticate`, InvalidToken for a token that is not bound, and ProofRefusedError.
        """
        claims = self._claims_in(access_token)
        if claims.bound_to is None or self._proofs is None:
            raise InvalidToken("This token is not bound to a key: send it in `Authorization: Bearer`.")
        proven = self._proofs.read(proof, token=access_token)
        if proven.key != claims.bound_to:
            raise ProofRefusedError("The proof is not by the key that this access token is bound to.")
        principal = self._live_principal(claims)
        self._proofs.use(proven)
        return replace(principal, bound_to=proven.key)

    def _claims_in(self, access_token: str) -> Claims:
        try:
            return self._tokens.verify(access_token)
        except RefusedTokenError as refused:
            raise (ExpiredToken if refused.reason == "expired" else InvalidToken) from refused

    def _live_principal(self, claims: Claims) -> Principal:
        principal = self.principal_of(claims)
        if principal is None:
            raise SessionEnded
        return principal

    def principal_of(self, claims: Claims) -> Principal | None:
        """The principal of a verified access token; None if its session, or its impersonation, is not live."""
        if claims.actor_id is None:
            return self._live.principal(claims.session_id, claims.subject, claims.authentication)
        return self._impersonations.live.principal(claims.session_id, claims.subject)

    def _end(
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
        """End a session and record it; False, and nothing is recorded, if it has ended already.

        `by` is the caller who ends it, if there is one. `announced` is for those who tell others of it. The sessions
        below it end, too, or go below that of `heir_id`.
        """
        self._accounts.announce(
            user.id,
            action,
            lambda: self._live.principal(session_id, user.id) is not None,
            by=by,
            session_id=session_id,
            **announced,
        )
        event = self._accounts.audit.event(user.id, action, device, **details)
        ended = self._sessions.end(session_id, user.id, [event], heir_id=heir_id)
        if ended:
            self._accounts.audit.tell([event])
        return ended

    def _live_of(self, sent: RefreshToken, now: datetime) -> LiveSession | None:
        """The live session that a refresh token was made for; None if it was not made here."""
        live = self._sessions.find_live(sent.session_id, now)
        return live if live is not None and refresh_tokens.is_genuine(sent, live.session.seed, self._secrets) else None

    def _report_repetition(self, session: Session, user: User, device: Device) -> None:
        """Record that a token was sent again within its grace time: once, however often it was sent."""
        self._accounts.audit.record_once(
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
            self._accounts.change(
                user.id, lambda account: self._accounts.with_warning(account, "session_reused", device)
            )

    def _is_in_grace(self, generation: int, session: Session, now: datetime) -> bool:
        if generation != session.generation - 1 or session.rotated_at is None:
            return False
        return now < session.rotated_at + timedelta(seconds=self._limits.grace)

    def _claims(self, user: User, session: Session) -> Mapping[str, Any]:
        """The claims that hooks add to the token of a session; before it is written."""
        if session.is_of_third_party:  # hooks do not know that others will read them
            return {}
        return added_claims(self._hooks, user, session.id, session.created_at)

    def _of_client(self, session: Session, granted: Granted) -> Session:
        """The session of a client. Raises SessionEnded if that which it is to end with is not live."""
        expires_at = session.expires_at
        if granted.seconds is not None:
            expires_at = min(expires_at, session.created_at + timedelta(seconds=granted.seconds))
        if granted.parent_id is not None:
            parent = self._sessions.find_live(granted.parent_id, session.created_at)
            if parent is None or parent.user.id != session.user_id:
                raise SessionEnded
            expires_at = min(expires_at, parent.session.expires_at)
        is_renewed = OFFLINE in granted.scopes
        return replace(
            session,
            client_id=granted.client_id,
            first_party=granted.first_party,
            scopes=" ".join(granted.scopes),
            resources=" ".join(granted.resources) or None,
            parent_id=granted.parent_id,
            dpop_jkt=granted.bound_to if granted.keeps_key else None,
            expires_at=expires_at,
            idle_expires_at=min(session.idle_expires_at, expires_at) if is_renewed else expires_at,
        )

    def _tokens_of(
        self,
        session: Session,
        user: User,
        permissions: frozenset[str],
        now: datetime,
        *,
        grant: Grant,
        claims: Mapping[str, Any],
        asked: Asked | None = None,
        bound_to: str | None = None,
    ) -> OpenedSession:
        left = int((session.idle_expires_at - now).total_seconds())
        # Not longer than the session, so that other services accept it no longer than we do.
        lifetime = min(self._tokens.spread(self._tokens.lifetime), left)
        scopes = (asked and asked.scopes) or session.granted_scopes
        audiences = (asked and asked.resources) or session.audiences
        is_login = session.client_id is None
        refresh_token = None
        if is_login or OFFLINE in session.granted_scopes:
            refresh_token = refresh_tokens.make(
                self._secrets.current, session.id, session.generation, session.seed, of_client=not is_login
            )
        tokens = OpenedSession(
            user=user,
            access_token=self._tokens.issue(
                subject=user.id,
                session_id=session.id,
                roles=user.roles,
                lifetime=lifetime,
                authentication=session.authentication,
                added=claims,
                audiences=audiences,
                client_id=session.client_id or OWN_CLIENT,
                scope=None if is_login else " ".join(scopes),
                bound_to=bound_to if asked is None else asked.bound_to,
            ),
            expires_in=lifetime,
            refresh_token=refresh_token,
            refresh_expires_in=left,
            permissions=permissions,
            session=session,
        )
        self._observer.token_issued(grant)
        return tokens
