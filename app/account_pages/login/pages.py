"""The pages to log in and out. They ask what the endpoints of the API ask, and no rule is in them.

Each form leads on by 303. The token of a login that is not finished is in a hidden field, and never in a URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.account_pages.login.asking import (
    asked_for,
    destination_of,
    go_on,
    headers_of,
    login_facts,
    login_facts_again,
    own_page,
    policy,
    providers_of,
    visitor_of,
)
from app.account_pages.login.entering import COOKIES, ask_for_more, enter, has_entered, led_on
from app.account_pages.login.forms import FactorForm, LoginForm, LogoutForm
from app.account_pages.paths import FACTOR, LOGIN, LOGOUT
from app.accounts.factors import PASSKEY, RECOVERY_CODE, method_of_code
from app.accounts.login_name import LoginName
from app.factors.passkeys.login import PasskeyLogin
from app.factors.passkeys.service import PasskeyService
from app.factors.passkeys.vault import PasskeyVault
from app.factors.passkeys.views import PasskeyOptions
from app.factors.service import shown_name
from app.oauth.authorization import Authorizations
from app.oauth.decision import Login
from app.oauth.refusal import RefusedError
from app.oauth.refusal_page import told
from app.oauth.requests.service import AuthorizationRequests
from app.platform.errors import (
    AccountDisabled,
    EmailNotVerified,
    FieldError,
    InvalidCode,
    InvalidCredentials,
    InvalidLoginToken,
    Overloaded,
    ReauthenticationRequired,
    SecondFactorRequired,
    SessionEnded,
    TooManyRequests,
    Unavailable,
    UnknownPasskey,
    ValidationFailed,
    WrongPassword,
)
from app.sessions.gate import LoginGate
from app.sessions.login import LoginService
from app.sessions.page_sessions import DEVICE_COOKIE, PageSessions
from app.sessions.service import SessionService
from app.sessions.step_up import StepUp, StepUpMethods
from app.web.call import Call
from app.web.form import Again, keeping
from app.web.guard import PAGE_COOKIE, public
from app.web.result import Carrying, File, redirect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.account_pages.login.destination import Destination
    from app.accounts.principal import Principal
    from app.oauth.requests.service import Authorization
    from app.platform.errors import Failure
    from app.sessions.session_tokens import OpenedSession

_LOGIN: Final = "login.html"
_FACTOR: Final = "login_factor.html"
_NO_RECOVERY_CODE: Final = "Enter the 6 digits that your authenticator app shows: nothing else is taken here."
_KEPT_OF_FACTOR: Final = frozenset({"login_token", "methods", "trust_device", "request", "to"})


def _still_good_of_factor(sent: Mapping[str, str], failure: Failure) -> dict[str, str]:
    """The values that the form shows again: no login that has ended."""
    ended = {"login_token"} if isinstance(failure, InvalidLoginToken) else set[str]()
    return {name: value for name, value in sent.items() if name in _KEPT_OF_FACTOR - ended}


def _facts(call: Call) -> dict[str, Any]:
    """What the page of the second factor tells of who is logged in, if anybody is."""
    facts: dict[str, Any] = {"trust_days": call.settings.accounts.factor_trust_days}
    try:
        visitor = visitor_of(call)
        if visitor is None:
            return facts
        methods = call.get(StepUpMethods).of(visitor.user.id)
    except Unavailable:  # what is shown is that very failure, or nothing that needs this
        return facts
    # Whoever has no password logs in with a provider again.
    return facts | {"name": shown_name(visitor.user), "known": methods, "providers": providers_of(call)}


@own_page(f"GET {LOGIN}", access=public, operation="showLoginPage", raises=(Unavailable,))
def show_login(call: Call) -> File:
    """The page to log in with a password or a passkey; whoever is logged in is led on."""
    going = destination_of(call)
    visitor = visitor_of(call)
    if has_entered(call):
        return _entered(call, visitor, going)
    try:
        asked = asked_for(call, going.request)
    except RefusedError as refused:
        return told(call, refused)
    if visitor is not None:
        return _inside(call, visitor, going, asked)
    sent = {**going.fields, "login": None if asked is None else asked.login_hint}
    return call.page(_LOGIN, sent=sent, headers=policy(asked), **login_facts(call, asked))


def _inside(call: Call, visitor: Principal, going: Destination, asked: Authorization | None) -> File:
    """Lead on whoever is logged in already, perhaps in another tab, or comes back by the button of the browser."""
    if asked is not None:
        # They have it when they prove who they are.
        if isinstance(call.get(Authorizations).next_step(asked, visitor), Login):
            return redirect(call.link(going.behind(FACTOR)))
        return redirect(call.get(AuthorizationRequests).url_of(asked))
    if going.to:
        return redirect(call.link(going.to))
    return call.page("logged_in.html", name=shown_name(visitor.user), headers=policy())


def _entered(call: Call, visitor: Principal | None, going: Destination) -> File:
    """Lead on whoever comes from a login. Without a cookie they would be asked to log in again and again."""
    if visitor is not None:
        return go_on(call, going)
    if call.cookie(PAGE_COOKIE) is not None:  # what ends sessions has ended this one meanwhile
        return redirect(call.link(going.behind(LOGIN)))
    return call.page("no_cookies.html", status=400, login=going.behind(LOGIN), headers=policy())


@own_page(
    f"POST {LOGIN}",
    access=public,
    limit="login",
    form=LoginForm,
    again=Again(
        _LOGIN,
        failures=(
            InvalidCredentials,
            UnknownPasskey,
            AccountDisabled,
            EmailNotVerified,
            TooManyRequests,
            Overloaded,
            Unavailable,
        ),
        still_good=keeping("login", "request", "to"),
        facts=login_facts_again,
        headers=headers_of,
    ),
    carries=COOKIES,
)
def sign_in(call: Call, form: LoginForm) -> File | Carrying:
    """Log this browser in, or ask for what else is needed."""
    going = form.going
    try:
        opened = _opened(call, form)
    except SecondFactorRequired as failure:
        return ask_for_more(call, failure, going)
    return enter(call, opened, going)


def _opened(call: Call, form: LoginForm) -> OpenedSession:
    if form.credential is not None:
        return call.get(PasskeyLogin).login(form.ceremony or "", form.signed, call.device)
    name, known = LoginName.of(form.login or ""), call.cookie(DEVICE_COOKIE) or ""
    return call.get(LoginService).login(name, form.password or "", call.device, known)


@own_page(f"GET {FACTOR}", access=public, operation="showFactorPage", raises=(Unavailable,))
def show_factor(call: Call) -> File:
    """The page on which whoever is logged in proves again that it is them."""
    going, facts = destination_of(call), _facts(call)
    if "known" not in facts:
        return redirect(call.link(going.behind(LOGIN)))
    try:
        asked = asked_for(call, going.request)
    except RefusedError as refused:
        return told(call, refused)
    return call.page(_FACTOR, sent=going.fields, headers=policy(asked), **facts)


@own_page(
    f"POST {FACTOR}",
    access=public,
    limit="login",
    form=FactorForm,
    again=Again(
        _FACTOR,
        failures=(
            InvalidCode,
            InvalidLoginToken,
            AccountDisabled,
            EmailNotVerified,
            WrongPassword,
            ReauthenticationRequired,
            SessionEnded,
            TooManyRequests,
            Overloaded,
            Unavailable,
        ),
        still_good=_still_good_of_factor,
        facts=lambda call, _sent: _facts(call),
        headers=headers_of,
    ),
    carries=COOKIES,
)
def prove_factor(call: Call, form: FactorForm) -> File | Carrying:
    """Go on with a login by a second factor; or, without one, let whoever is logged in prove again that it is them."""
    going = form.going
    if form.login_token is None:
        return _prove_again(call, form, going)
    method = PASSKEY if form.credential is not None else method_of_code(form.code or "")
    trusts = form.trust_device is not None
    try:
        opened = call.get(LoginGate).resume(form.login_token, method, form.evidence(), call.device, trust_device=trusts)
    except SecondFactorRequired as failure:
        return ask_for_more(call, failure, going)
    return enter(call, opened, going)


def _prove_again(call: Call, form: FactorForm, going: Destination) -> File | Carrying:
    visitor = visitor_of(call)
    if visitor is None:
        return redirect(call.link(going.behind(LOGIN)))
    if form.ask is not None:
        return _ask_for_passkey(call, visitor, going)
    step_up = call.get(StepUp)
    if form.password is not None:
        step_up.by_password(visitor, form.password, call.device)
    else:
        method = PASSKEY if form.credential is not None else method_of_code(form.code or "")
        if method == RECOVERY_CODE:
            raise ValidationFailed(fields=(FieldError("code", "not_for_this", _NO_RECOVERY_CODE),))
        step_up.by_factor(visitor, method, form.evidence(visitor.session_id), call.device)
    cookie = call.get(PageSessions).renewed(visitor, call.device)
    return led_on(call, going, () if cookie is None else (cookie,))


def _ask_for_passkey(call: Call, visitor: Principal, going: Destination) -> File:
    """The page again, with what a passkey has to sign."""
    asked = PasskeyOptions.of(call.get(PasskeyService).ask_in_session(visitor), call.get(PasskeyVault).party)
    facts = {**_facts(call), "asked": asked.model_dump_json()}
    return call.page(_FACTOR, sent=going.fields, headers=headers_of(call, going.fields), **facts)


@own_page(f"GET {LOGOUT}", access=public, operation="showLogoutPage", raises=(Unavailable,))
def show_logout(call: Call) -> File:
    """The page that asks whether to log out; a link logs nobody out."""
    visitor = visitor_of(call)
    name = None if visitor is None else shown_name(visitor.user)
    return call.page("logout.html", name=name, headers=policy())


@own_page(
    f"POST {LOGOUT}",
    access=public,
    limit="authorize",
    form=LogoutForm,
    carries=(PAGE_COOKIE,),
    raises=(Unavailable,),
)
def sign_out(call: Call, form: LogoutForm) -> Carrying:
    """End the session of this browser, and go on as somebody else, or to the page that says so."""
    visitor = visitor_of(call)
    if visitor is not None:
        call.get(SessionService).log_out(visitor, "this", call.device)
    going = form.going
    leads_on = going.request or going.to or form.again
    target = going.behind(LOGIN) if leads_on else LOGOUT
    return Carrying(redirect(call.link(target)), cookies=(PAGE_COOKIE.clear(),))
