"""Sessions: login, refresh and logout; and access tokens: issuing, checking and explaining them."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from app.accounts.breached import BreachNotice
from app.accounts.credentials import CredentialService
from app.accounts.former_system import FormerSystem
from app.accounts.model import Users
from app.accounts.passwords import PasswordService
from app.accounts.service import Accounts
from app.audit.late_events import LateEvents
from app.audit.service import Audit
from app.feature import Feature, LoginMethods, LoginReasons, LoginSettlings, MailKind, Tag
from app.hooks.calls import Hooks
from app.keys.service import KeyService
from app.roles.authority import Authority
from app.roles.service import Roles
from app.security.dpop import Proofs
from app.security.secret_keys import SecretKeys
from app.sessions import cli, controller
from app.sessions.access_tokens import AccessTokens, spread
from app.sessions.attacks import AttackNotices
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.enrolling import EnrollingLogins
from app.sessions.explain import ExplainService
from app.sessions.failed_logins import FailedLogins
from app.sessions.gate import LoginGate
from app.sessions.impersonation import ImpersonationService
from app.sessions.limits import SessionLimits
from app.sessions.live import IMPERSONATE, LiveImpersonations, LiveSessions
from app.sessions.login import LoginService
from app.sessions.model import ClientNames, Sessions
from app.sessions.page_sessions import PageSessions
from app.sessions.pending_logins.model import PendingLogins
from app.sessions.reasons import NotActive, UnverifiedEmail
from app.sessions.refresh import RefreshService
from app.sessions.service import SessionService
from app.sessions.session_tokens import SessionTokens
from app.sessions.step_up import StepUp, StepUpMethods
from app.throttle.device_tokens import DeviceTokens
from app.throttle.service import PasswordThrottle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.platform.container import Container


def _tokens(parts: Container) -> AccessTokens:
    return AccessTokens(
        issuer=parts.settings.server.public_url,
        audience=parts.settings.tokens.jwt_audience,
        lifetime=parts.settings.tokens.access_token_seconds,
        keys=parts.get(KeyService),
        clock=parts.clock,
        spread=spread,
    )


def _live_impersonations(parts: Container) -> LiveImpersonations:
    return LiveImpersonations(
        parts.settings.accounts.impersonation,
        parts.get(Users),
        parts.get(LiveSessions),
        parts.get(Roles).permissions_of,
        parts.get(Roles).narrowed_since,
        parts.clock,
    )


def _impersonations(parts: Container) -> ImpersonationService:
    return ImpersonationService(
        parts.get(Accounts),
        parts.get(LiveImpersonations),
        parts.get(Roles),
        parts.get(Authority),
        parts.get(AccessTokens),
        parts.observer,
        parts.find(Hooks),
    )


def _limits(parts: Container) -> SessionLimits:
    tokens = parts.settings.tokens
    return SessionLimits(
        idle=tokens.refresh_idle_seconds,
        absolute=tokens.refresh_absolute_seconds,
        grace=tokens.refresh_grace_seconds,
        most=tokens.sessions_per_user,
        most_of_client=parts.settings.oauth.client_sessions_per_user,
    )


def _sessions(parts: Container) -> SessionService:
    return SessionService(
        sessions=parts.get(Sessions),
        live=parts.get(LiveSessions),
        impersonations=parts.get(ImpersonationService),
        accounts=parts.get(Accounts),
        tokens=parts.get(SessionTokens),
        devices=parts.get(DeviceTokens),
        clock=parts.clock,
        limits=parts.get(SessionLimits),
        permissions_of=parts.get(Roles).permissions_of,
        client_names=parts.find(ClientNames),
    )


def _session_tokens(parts: Container) -> SessionTokens:
    return SessionTokens(parts.get(AccessTokens), parts.get(SecretKeys), parts.observer, parts.find(Hooks))


def _refresh(parts: Container) -> RefreshService:
    return RefreshService(
        sessions=parts.get(Sessions),
        service=parts.get(SessionService),
        tokens=parts.get(SessionTokens),
        accounts=parts.get(Accounts),
        secrets=parts.get(SecretKeys),
        clock=parts.clock,
        limits=parts.get(SessionLimits),
        permissions_of=parts.get(Roles).permissions_of,
    )


def _authenticator(parts: Container) -> AccessTokenAuthenticator:
    return AccessTokenAuthenticator(
        tokens=parts.get(AccessTokens),
        sessions=parts.get(Sessions),
        live=parts.get(LiveSessions),
        impersonations=parts.get(LiveImpersonations),
        step_up=parts.get(StepUpMethods),
        clock=parts.clock,
        fresh=parts.settings.accounts.reauth_seconds,
        proofs=parts.find(Proofs),
    )


def _page_sessions(parts: Container) -> PageSessions:
    return PageSessions(
        parts.get(Sessions),
        parts.get(AccessTokenAuthenticator),
        parts.get(Roles).permissions_of,
        parts.get(SecretKeys),
        parts.clock,
        parts.get(SessionLimits),
    )


def _step_up(parts: Container) -> StepUp:
    return StepUp(
        parts.get(SessionService),
        parts.get(CredentialService),
        parts.get(PasswordThrottle),
        parts.get(StepUpMethods),
        parts.clock,
    )


def _gate(parts: Container) -> LoginGate:
    return LoginGate(
        parts.get(SessionService),
        parts.get(PendingLogins),
        parts.get(Users),
        parts.get(FailedLogins),
        parts.clock,
        parts.get(LoginReasons).reasons,
        parts.get(LoginMethods).methods,
        parts.get(DeviceTokens),
        parts.get(LoginSettlings).settlings,
    )


def _failed_logins(parts: Container) -> FailedLogins:
    return FailedLogins(parts.get(PasswordThrottle), parts.get(Audit), parts.get(LateEvents), parts.get(AttackNotices))


def _erase(parts: Container) -> Callable[[str], Iterator[None]]:
    sessions, gate = parts.get(SessionService), parts.get(LoginGate)
    return lambda user_id: chain(gate.erase(user_id), sessions.erase(user_id))


def _login(parts: Container) -> LoginService:
    return LoginService(
        parts.get(Users),
        parts.get(PasswordService),
        parts.get(LoginGate),
        parts.get(PasswordThrottle),
        parts.get(DeviceTokens),
        parts.get(FailedLogins),
        parts.get(BreachNotice),
        parts.clock,
        former_system=parts.find(FormerSystem),
    )


def _explain(parts: Container) -> ExplainService:
    return ExplainService(parts.get(AccessTokens), parts.get(AccessTokenAuthenticator).principal_of)


FEATURE = Feature(
    tags=(
        Tag("auth", "Registration and login.", (controller.register, controller.login, controller.continue_login)),
        Tag(
            "sessions",
            "Refresh, list and end sessions.",
            (
                controller.refresh,
                controller.reauthenticate,
                controller.logout,
                controller.sessions,
                controller.end_session,
            ),
        ),
        Tag("tokens", "Explain and check access tokens.", (controller.explain, controller.verify)),
        Tag("users", "", (controller.impersonate,)),
    ),
    services={
        LiveSessions: lambda parts: LiveSessions(parts.get(Sessions), parts.get(Roles).permissions_of, parts.clock),
        LiveImpersonations: _live_impersonations,
        ImpersonationService: _impersonations,
        AccessTokens: _tokens,
        AccessTokenAuthenticator: _authenticator,
        SessionLimits: _limits,
        SessionTokens: _session_tokens,
        SessionService: _sessions,
        RefreshService: _refresh,
        PageSessions: _page_sessions,
        AttackNotices: lambda parts: AttackNotices(parts.get(Accounts), parts.get(LateEvents)),
        FailedLogins: _failed_logins,
        EnrollingLogins: lambda parts: EnrollingLogins(parts.get(PendingLogins), parts.get(Users), parts.clock),
        LoginGate: _gate,
        StepUpMethods: lambda parts: StepUpMethods(parts.get(Users), parts.get(LoginMethods).methods),
        StepUp: _step_up,
        LoginService: _login,
        ExplainService: _explain,
    },
    authenticators=(AccessTokenAuthenticator, EnrollingLogins),
    page_authenticator=PageSessions,
    live={
        "session": lambda parts: parts.get(LiveSessions).present,
        "client": lambda parts: parts.get(LiveSessions).present,
        "impersonation": lambda parts: parts.get(LiveImpersonations).present,
        "pending_login": lambda parts: parts.get(EnrollingLogins).present,
    },
    repositories=(Sessions, PendingLogins),
    login_reasons=(
        lambda _: NotActive(),
        lambda parts: UnverifiedEmail(parts.settings.accounts.require_verified_email),
    ),
    erase=_erase,
    exports=(controller.exported,),
    expires=(Sessions, PendingLogins),
    mails=(
        MailKind("session_reused", __name__),
        MailKind("impersonated", __name__),
        MailKind("login_attacked", __name__),
    ),
    permissions=frozenset({IMPERSONATE}),
    commands=(cli.sessions, cli.token),
)
