"""The page to add a second factor. It asks what the endpoints of the API ask, and no rule is in it.

The token of a login that is not finished is in a hidden field, and never in a URL. Each step is a form, so an
authenticator app is added without script.
"""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from app.account_pages.enrol.forms import EnrolForm
from app.account_pages.login.asking import destination_of, go_on, headers_of, own_page, visitor_of
from app.account_pages.login.entering import second_step
from app.account_pages.paths import ENROL, FACTOR, LOGIN
from app.accounts.factors import PASSKEY, RECOVERY_CODE, TOTP
from app.factors.passkeys.service import PasskeyService
from app.factors.passkeys.vault import PasskeyVault
from app.factors.passkeys.views import NewPasskeyOptions
from app.factors.service import FactorService, shown_name
from app.factors.views import NewTotp
from app.platform.errors import (
    FactorExists,
    InvalidCode,
    InvalidLoginToken,
    InvalidToken,
    ReauthenticationRequired,
    SessionEnded,
    TooManyPasskeys,
    TooManyRequests,
    Unavailable,
)
from app.sessions.enrolling import EnrollingLogins
from app.sessions.inputs import as_json
from app.sessions.page_sessions import PageSessions
from app.sessions.step_up import StepUpMethods
from app.web.call import Call
from app.web.form import Again, keeping
from app.web.guard import public
from app.web.result import File, redirect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.account_pages.login.destination import Destination
    from app.accounts.principal import Principal

_ENROL: Final = "login_enrol.html"
_METHODS: Final = (PASSKEY, TOTP)
"""What can be added here."""
_PROVEN_BY: Final[Mapping[str, list[str]]] = {PASSKEY: [PASSKEY], TOTP: [TOTP, RECOVERY_CODE]}
"""What a login is finished with once this was added."""


def _facts(call: Call, sent: Mapping[str, str]) -> dict[str, Any]:
    """What is shown again: the field of the code, where that was wrong, or else who is logged in."""
    facts = {"methods": _METHODS, "confirms": "code" in sent}
    with suppress(Unavailable):  # what is shown is that very failure
        visitor = None if "login_token" in sent else visitor_of(call)
        facts["name"] = None if visitor is None else shown_name(visitor.user)
    return facts


@own_page(f"GET {ENROL}", access=public, operation="showEnrolPage", raises=(Unavailable,))
def show_enrol(call: Call) -> File:
    """The page on which whoever is logged in, and has no second factor yet, adds one."""
    going, visitor = destination_of(call), visitor_of(call)
    if visitor is None:
        return redirect(call.link(going.behind(LOGIN)))
    if call.get(StepUpMethods).needs_factor(visitor.user.id):
        return go_on(call, going)
    return _page(call, going, None, name=shown_name(visitor.user))


@own_page(
    f"POST {ENROL}",
    access=public,
    limit="factors",
    form=EnrolForm,
    again=Again(
        _ENROL,
        failures=(InvalidCode, InvalidLoginToken, FactorExists, TooManyPasskeys, TooManyRequests, Unavailable),
        still_good=keeping("login_token", "request", "to"),
        facts=_facts,
        headers=headers_of,
    ),
    raises=(SessionEnded,),
)
def enrol(call: Call, form: EnrolForm) -> File:
    """Add a second factor in steps, show the first recovery codes, and go on with what needed it."""
    going = form.going
    if form.saved is not None:
        if form.login_token is None:
            return go_on(call, going)
        return second_step(call, form.login_token, _PROVEN_BY[form.saved], going)
    try:
        principal = _principal(call, form.login_token)
    except ReauthenticationRequired:
        return redirect(call.link(going.behind(FACTOR)))
    if principal is None:
        return redirect(call.link(going.behind(LOGIN)))
    if form.ask is not None:
        return _page(call, going, form.login_token, **_asked(call, principal, form.ask))
    added, codes = _added(call, principal, form)
    facts = {"codes": codes or (), "added": added}
    return _page(call, going, form.login_token, "login_enrolled.html", **facts)


def _principal(call: Call, login_token: str | None) -> Principal | None:
    """Who adds a factor; None for nobody. Raises InvalidLoginToken, and ReauthenticationRequired as the API does."""
    if login_token is not None:
        try:
            return call.get(EnrollingLogins).authenticate(login_token)
        except InvalidToken:
            raise InvalidLoginToken from None
    visitor = visitor_of(call)
    if visitor is not None:
        call.get(PageSessions).require_fresh_login(visitor)
    return visitor


def _asked(call: Call, principal: Principal, method: str) -> dict[str, Any]:
    """What the page shows so that the factor can be made."""
    if method == PASSKEY:
        account, asked = call.get(PasskeyService).ask_for_new(principal)
        options = NewPasskeyOptions.of(asked, account.user, account.user_handle or "", call.get(PasskeyVault).party)
        return {"asked": options.model_dump_json()}
    made = NewTotp.of(call.get(FactorService).begin_totp(principal))
    drawn = f"data:image/svg+xml;base64,{b64encode(made.qr.encode()).decode()}"
    return {"confirms": True, "secret": made.secret, "uri": made.uri, "qr": drawn}


def _added(call: Call, principal: Principal, form: EnrolForm) -> tuple[str, Sequence[str] | None]:
    """The factor that was added, and the recovery codes that came with it."""
    if form.credential is None:
        return TOTP, call.get(FactorService).confirm_totp(principal, (form.code or "").replace(" ", ""), call.device)
    credential = as_json(form.credential)
    _, codes = call.get(PasskeyService).add(principal, form.ceremony or "", credential, None, call.device)
    return PASSKEY, codes


def _page(
    call: Call,
    going: Destination,
    login_token: str | None,
    template: str = _ENROL,
    **facts: Any,  # noqa: ANN401 - what a template takes
) -> File:
    sent = {**going.fields, "login_token": login_token}
    return call.page(template, sent=sent, methods=_METHODS, headers=headers_of(call, sent), **facts)
