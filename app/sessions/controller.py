"""Registration and login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.authentication import PASSWORD
from app.accounts.cookies import REFRESH_COOKIE, without_cookie
from app.accounts.factors import PASSKEY
from app.accounts.inputs import Register
from app.accounts.login_name import LoginName
from app.accounts.principal import Principal
from app.accounts.registration import NewAccount, RegistrationService
from app.accounts.views import UserData
from app.platform.errors import (
    AccountDisabled,
    EmailNotVerified,
    EmailTaken,
    Forbidden,
    InsufficientAuthentication,
    InvalidCode,
    InvalidCredentials,
    InvalidLoginToken,
    InvalidRefreshToken,
    NotFound,
    Overloaded,
    ReauthenticationRequired,
    RegistrationRefused,
    ReusedRefreshToken,
    SecondFactorRequired,
    SessionEnded,
    TooManyRequests,
    Unavailable,
    UsernameTaken,
    WrongPassword,
)
from app.platform.identifiers import ascii_email
from app.roles.service import Roles
from app.sessions.explain import ExplainService
from app.sessions.gate import LoginGate
from app.sessions.impersonation import ImpersonationService
from app.sessions.inputs import ContinueLogin, Explain, Impersonate, Login, Logout, Reauthenticate, Refresh
from app.sessions.live import IMPERSONATE, LiveImpersonations
from app.sessions.login import LoginService
from app.sessions.refresh import RefreshService
from app.sessions.service import SessionService
from app.sessions.step_up import StepUp
from app.sessions.views import (
    ActingTokens,
    ExplanationView,
    RenewedAccess,
    SessionList,
    SessionView,
    TokenPair,
    as_reply,
)
from app.web.call import Call, CallBy
from app.web.endpoint import Outcome, endpoint
from app.web.export import exporter
from app.web.guard import asked_by_proxy, authenticated, permission, public
from app.web.result import Carrying, File, RequestHeader
from app.web.view import Nothing, View

if TYPE_CHECKING:
    from collections.abc import Iterator


_REGISTERED = "User registered successfully"
DEVICE_TOKEN = RequestHeader("X-Device-Token", "The `device_token` of an earlier login of this user on this device.")


@endpoint(
    "POST /auth/register",
    access=public,
    limit="register",
    body=Register,
    returns=TokenPair,
    status=201,
    message=_REGISTERED,
    or_else=(
        Outcome(UserData, 201, _REGISTERED),
        Outcome(Nothing, 202, "Check your mail to finish the registration"),
    ),
    carries=(REFRESH_COOKIE,),
    raises=(
        EmailTaken,
        UsernameTaken,
        RegistrationRefused,
        SecondFactorRequired,
        SessionEnded,
        Overloaded,
        Unavailable,
    ),
)
def register(call: Call, body: Register) -> TokenPair | UserData | Nothing | Carrying:
    """Create an account and log in to it.

    An e-mail address, a user name or both name the account; both are unique, regardless of case. A code to verify the
    address is mailed. With `REQUIRE_VERIFIED_EMAIL` the reply holds the user without tokens. With `HIDE_ACCOUNTS` it is
    the same 202 for any address, and the account is created only when the address is confirmed from the mail.
    """
    registration, new = call.get(RegistrationService), NewAccount(body.password, body.email, body.username, body.name)
    if registration.hides_accounts:
        registration.register_hidden(new, call.device)
        return Nothing()
    credentials = registration.register(new, call.device)
    gate = call.get(LoginGate)
    try:
        return as_reply(call, gate.admit(gate.first_factor(credentials, "register", PASSWORD), call.device))
    except EmailNotVerified:
        user = credentials.user
        return UserData.of(user, call.get(Roles).permissions_of(user.roles))


@endpoint(
    "POST /auth/login",
    access=public,
    limit="login",
    body=Login,
    reads=(DEVICE_TOKEN,),
    returns=TokenPair,
    carries=(REFRESH_COOKIE,),
    raises=(
        InvalidCredentials,
        AccountDisabled,
        EmailNotVerified,
        SecondFactorRequired,
        TooManyRequests,
        Overloaded,
        Unavailable,
    ),
)
def login(call: Call, body: Login) -> TokenPair | Carrying:
    """Exchange a name and a password for a session.

    Exactly one of `email`, `username` and `login` (which takes either) names the account. An unknown account and a
    wrong password get the same answer. After ten failures in a row, whichever of its names they used, the next login of
    an account has to wait, whatever the password. A device that logged in before need not: it sends the `device_token`
    of that login in `X-Device-Token`. A token that is not good for the account is as good as none.

    If more than the password is needed, the reply is 403 `second_factor_required`: no session exists yet, and `login`
    says how `POST /auth/login/continue` goes on.
    """
    device_token = call.header(DEVICE_TOKEN.name)
    return as_reply(call, call.get(LoginService).login(_name(body), body.password, call.device, device_token))


def _name(body: Login) -> LoginName:
    if body.email is not None:
        return LoginName("email", body.email)
    if body.username is not None:
        return LoginName("username", body.username)
    return LoginName.of(body.login or "")


@endpoint(
    "POST /auth/login/continue",
    access=public,
    operation="continueLogin",
    limit="login",
    body=ContinueLogin,
    returns=TokenPair,
    carries=(REFRESH_COOKIE,),
    raises=(
        InvalidLoginToken,
        InvalidCode,
        AccountDisabled,
        EmailNotVerified,
        SecondFactorRequired,
        TooManyRequests,
        Unavailable,
    ),
)
def continue_login(call: Call, body: ContinueLogin) -> TokenPair | Carrying:
    """Go on with a login that needs a second factor.

    `login_token` is `login.token` of the reply that said so, `method` one of its `login.methods`. A passkey needs
    options first, from `POST /auth/login/options`, and then their `ceremony` and its `credential`; all others take a
    `code`. The token lives for 10 minutes, and for five codes or credentials. A wrong one counts like a wrong password.
    If still more is missing, the reply is 403 `second_factor_required` again, with a new token.

    With `trust_device`, the next logins on this device need no second factor for `FACTOR_TRUST_DAYS`, if they send its
    `device_token`. A change of the password or the factors ends that, and so does a logout of the others or of all.
    """
    opened = call.get(LoginGate).resume(
        body.login_token, body.method, body.evidence, call.device, trust_device=body.trust_device
    )
    return as_reply(call, opened)


@endpoint(
    "POST /auth/refresh",
    access=public,
    limit="refresh",
    body=Refresh,
    returns=TokenPair,
    carries=(REFRESH_COOKIE,),
    cookie=REFRESH_COOKIE,
    raises=(InvalidRefreshToken, ReusedRefreshToken, Unavailable),
)
def refresh(call: Call, body: Refresh) -> TokenPair | Carrying:
    """Exchange a refresh token for a new pair.

    Send it in the body, or else in `Authorization: Bearer`. If the body has one, the header is ignored, so an HTTP
    client may add the access token to every request. A refresh token can be exchanged only once: sent again within
    `REFRESH_GRACE_SECONDS`, it gives the same new refresh token; sent again later, it ends the session.

    With `AUTH_COOKIES`, a request with neither takes the cookie, from pages of this origin and those in `CORS_ORIGINS`.
    A refusal leaves the cookie as it is: another tab may have logged in meanwhile.
    """
    token = body.refresh_token or call.bearer
    if not token and call.settings.browsers.auth_cookies:
        token = call.authenticating_cookie(REFRESH_COOKIE)
    if not token:
        raise InvalidRefreshToken("A refresh token is required, in the body or in Authorization: Bearer.")
    return as_reply(call, call.get(RefreshService).refresh(token, call.device))


@endpoint(
    "POST /auth/reauthenticate",
    access=authenticated,
    limit="login",
    body=Reauthenticate,
    returns=RenewedAccess,
    raises=(WrongPassword, InvalidCode, ReauthenticationRequired, TooManyRequests, Overloaded),
)
def reauthenticate(call: CallBy[Principal], body: Reauthenticate) -> RenewedAccess:
    """Prove again who the user is, and get an access token of the same session that says so.

    Users with a second factor use it: `method` and `code`, or `ceremony` and `credential` for a passkey, whose options
    `POST /auth/reauthenticate/options` gives; a recovery code is not for this. All others send their `password`; those
    who have none log in at their provider again. The session keeps what was proven, so tokens of later refreshes say
    so, too; earlier ones do not.
    """
    step_up = call.get(StepUp)
    if body.password is not None:
        return RenewedAccess.of(step_up.by_password(call.caller, body.password, call.device))
    evidence = body.evidence(call.caller.session_id)
    return RenewedAccess.of(step_up.by_factor(call.caller, body.method or PASSKEY, evidence, call.device))


@endpoint(
    "POST /auth/logout",
    access=authenticated.by("session", "impersonation"),
    body=Logout,
    returns=Nothing,
    message="Logged out",
    carries=(REFRESH_COOKIE,),
)
def logout(call: CallBy[Principal], body: Logout) -> View | Carrying:
    """End this session, all others, or all: at once, on every instance. An impersonation ends only itself.

    With `AUTH_COOKIES`, this clears the cookie, unless only the others end.
    """
    call.get(SessionService).log_out(call.caller, body.scope, call.device)
    if body.scope == "others" or call.caller.kind != "session":  # the cookie is that of the administrator's own session
        return Nothing()
    return without_cookie(call, Nothing())


@endpoint(
    "GET /auth/sessions",
    access=authenticated.by("session", "impersonation"),
    operation="listSessions",
    returns=SessionList,
)
def sessions(call: CallBy[Principal]) -> SessionList:
    """The user's active sessions, oldest first; then those in which an administrator acts for them.

    Those of applications that the user gave access to name it in `client`.
    """
    return _sessions_of(call)


@endpoint(
    "DELETE /auth/sessions/<session_id>",
    access=authenticated,
    returns=Nothing,
    message="Session ended",
    raises=(NotFound,),
)
def end_session(call: CallBy[Principal], session_id: str) -> Nothing:
    """End one of the user's sessions at once, on every instance; also one in which an administrator acts for them."""
    call.get(SessionService).end(session_id, call.caller.user, call.device)
    return Nothing()


@exporter("sessions", SessionView)
def exported(call: CallBy[Principal]) -> Iterator[list[SessionView]]:
    """The user's active sessions, oldest first: a user has few."""
    yield _sessions_of(call).sessions


def _sessions_of(call: CallBy[Principal]) -> SessionList:
    user = call.caller.user
    service = call.get(SessionService)
    sessions, acting = service.list_of(user), call.get(LiveImpersonations).of_user(user.id)
    return SessionList.of(sessions, acting, call.caller.session_id, service.clients_of(sessions))


@endpoint(
    "POST /admin/users/<user_id>/impersonate",
    access=permission(IMPERSONATE),
    operation="impersonateUser",
    limit="impersonate",
    body=Impersonate,
    returns=ActingTokens,
    raises=(NotFound, Forbidden, ReauthenticationRequired, TooManyRequests, Unavailable),
)
def impersonate(call: CallBy[Principal], body: Impersonate, user_id: str) -> ActingTokens:
    """Act for a user, for 15 minutes at most.

    The access token acts as the user, and names the administrator in the claim `act`. There is no refresh token. It
    cannot change passwords, user names, factors, e-mail addresses or keys, nor export, and it administers nothing. It
    ends when the administrator logs out of it (`POST /auth/logout` with this token), or of the session that it began
    in; when they lose the permission or any that the user has; and when the user ends it. The user gets a mail with the
    reason, and sees it among their sessions and events.

    It needs a login within the last `REAUTH_SECONDS`, and all permissions that the user has. It is off, which is 403,
    unless `IMPERSONATION` is on.
    """
    call.require_fresh_login()
    return ActingTokens.of(call.get(ImpersonationService).begin(call.caller, user_id, body.reason, call.device))


@endpoint(
    "POST /auth/explain",
    access=public,
    operation="explainToken",
    limit="explain",
    body=Explain,
    returns=ExplanationView,
    raises=(Unavailable,),
)
def explain(call: Call, body: Explain) -> ExplanationView:
    """What a token is, and the exact reason why this instance refuses it.

    The state of its session is revealed only when its signature verifies. Nothing is revealed about anything but a JWT.
    """
    return ExplanationView.of(call.get(ExplainService).explain(body.token))


@endpoint(
    "GET /auth/verify",
    access=asked_by_proxy.by("session", "impersonation", "api_key"),
    operation="verifyToken",
    returns=File,
    media_type="text/plain",
    raises=(Forbidden, InsufficientAuthentication),
)
def verify(call: CallBy[Principal]) -> File:
    """Decide whether to let a request through, for nginx `auth_request`.

    The reply is 200 with `X-Auth-User`, `X-Auth-Username`, `X-Auth-Email` (empty unless verified, an international
    domain in its ASCII form) and `X-Auth-Roles`, else 401 or 403. The query may demand a `role`, a `permission`, a
    strength of authentication (`acr`, as `urn:latchkey:aal2` for two factors), or one at most `max_age` seconds ago;
    any other parameter gets 403. If the authentication is too weak or too old, the reply is 401 with the challenge of
    RFC 9470. An API key has permissions but neither roles nor an authentication: a demanded role is refused, and
    `X-Auth-Roles` is empty. `X-Auth-Actor` is the administrator who acts for the user, else empty.
    """
    caller, query = call.caller, call.query
    user = caller.user
    if not query.keys() <= {"role", "permission", "acr", "max_age"}:
        raise Forbidden("The query may hold role, permission, acr and max_age only.")
    # The roles of its owner may permit more than the key.
    roles = () if caller.kind == "api_key" else user.roles
    if not all(role in roles for role in query.get("role", ())):
        raise Forbidden("An API key has no roles." if caller.kind == "api_key" else "The user lacks the role.")
    if not all(permission in caller.permissions for permission in query.get("permission", ())):
        raise Forbidden("The user lacks the permission.")
    call.get(StepUp).require(caller, query.get("acr", ()), query.get("max_age", ()))
    return File(
        b"",
        "text/plain; charset=utf-8",
        {
            "X-Auth-User": user.id,
            "X-Auth-Username": user.username or "",
            "X-Auth-Email": ascii_email(user.email) if user.email and user.email_verified else "",
            "X-Auth-Roles": ",".join(roles),
            "X-Auth-Actor": caller.actor_id or "",
        },
    )
