"""The page that the link of a login by mail opens. Opening it changes nothing, since mail scanners follow links.

With AUTH_COOKIES its form logs this browser in, by the cookie that `POST /auth/refresh` takes, and asks for a second
factor if there is one. Without them a browser could keep no session, so nothing is used up: the page shows the code, to
be typed where it was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.cookies import REFRESH_COOKIE
from app.accounts.factors import RECOVERY_CODE, TOTP, method_of_code
from app.mail_login.forms import MailLoginForm
from app.mail_login.service import MailLoginService
from app.platform.errors import (
    AccountDisabled,
    EmailNotVerified,
    InvalidCode,
    InvalidLoginToken,
    SecondFactorRequired,
    TooManyRequests,
    Unavailable,
)
from app.sessions.gate import LoginGate
from app.sessions.proof import Evidence
from app.sessions.views import refresh_cookie
from app.web.call import Call
from app.web.endpoint import page
from app.web.form import Again
from app.web.guard import public
from app.web.result import Carrying, File

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.platform.errors import Failure
    from app.sessions.session_tokens import OpenedSession

_TEMPLATE = "mail_login.html"


def _still_good(sent: Mapping[str, str], failure: Failure) -> dict[str, str]:
    """The values that the form shows again: no link that was not valid, and no login that has ended."""
    if isinstance(failure, InvalidLoginToken):
        return {}
    spent = {"code", "token", "link"} if isinstance(failure, InvalidCode) or failure.fields else {"code"}
    return {name: value for name, value in sent.items() if name not in spent}


@page("GET /login/mail", access=public)
def open_link(call: Call) -> File:
    """The page to log in with a mailed link."""
    return call.page(_TEMPLATE)


@page(
    "POST /login/mail",
    access=public,
    limit="redeem",
    form=MailLoginForm,
    again=Again(
        _TEMPLATE,
        failures=(InvalidCode, InvalidLoginToken, TooManyRequests, Unavailable),
        still_good=_still_good,
    ),
    carries=(REFRESH_COOKIE,),
    raises=(AccountDisabled, EmailNotVerified),
)
def log_in(call: Call, form: MailLoginForm) -> File | Carrying:
    """Log this browser in, or show the code."""
    if not call.settings.browsers.auth_cookies:
        code = call.get(MailLoginService).code_of(form.token or form.link or "")
        return call.page("mail_login_code.html", code=code)
    try:
        opened = _opened(call, form)
    except SecondFactorRequired as failure:
        return _ask_for_factor(call, failure)
    return Carrying(call.page("mail_login_done.html"), cookies=(refresh_cookie(opened),))


def _opened(call: Call, form: MailLoginForm) -> OpenedSession:
    if form.login_token is None:
        return call.get(MailLoginService).by_token(form.token or form.link or "", call.device)
    code = form.code or ""
    return call.get(LoginGate).resume(form.login_token, method_of_code(code), Evidence(code=code), call.device)


def _ask_for_factor(call: Call, failure: SecondFactorRequired) -> File:
    """The second step. What needs a script, or cannot be typed, is for the application that the user logs in to."""
    login = failure.facts["login"]
    if login["next"] != "second_factor" or not {TOTP, RECOVERY_CODE} & {*login["methods"]}:
        return call.page("mail_login_elsewhere.html")
    return call.page(_TEMPLATE, sent={"login_token": login["token"]})
