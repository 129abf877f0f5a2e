"""Logging in by mail."""

from __future__ import annotations

from app.accounts.cookies import REFRESH_COOKIE
from app.mail_login.inputs import LoginByMail
from app.mail_login.service import MailLoginService
from app.mail_login.views import MailLoginRequested
from app.platform.errors import (
    AccountDisabled,
    EmailNotVerified,
    InvalidCode,
    SecondFactorRequired,
    TooManyRequests,
    Unavailable,
)
from app.recovery.inputs import Address
from app.sessions.controller import DEVICE_TOKEN
from app.sessions.views import TokenPair, as_reply
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public
from app.web.result import Carrying


@endpoint(
    "POST /auth/login/code",
    access=public,
    operation="requestLoginCode",
    limit="mail",
    body=Address,
    returns=MailLoginRequested,
    status=202,
    message="If this is the verified address of an account, a mail is on its way",
    raises=(Unavailable,),
)
def request_code(call: Call, body: Address) -> MailLoginRequested:
    """Mail a code and a link to log in with, to a verified address. They are valid for 10 minutes.

    The reply is the same whether the address has an account or not, and no account is ever made. Each request has a
    code of its own. Without `LOGIN_BY_MAIL` there is no such endpoint.
    """
    return MailLoginRequested(request=call.get(MailLoginService).request(body.email, call.device))


@endpoint(
    "POST /auth/login/code/verify",
    access=public,
    operation="loginWithCode",
    limit="redeem",
    body=LoginByMail,
    reads=(DEVICE_TOKEN,),
    returns=TokenPair,
    carries=(REFRESH_COOKIE,),
    raises=(
        InvalidCode,
        AccountDisabled,
        EmailNotVerified,
        SecondFactorRequired,
        TooManyRequests,
        Unavailable,
    ),
)
def log_in(call: Call, body: LoginByMail) -> TokenPair | Carrying:
    """Log in with what was mailed: the code on the device that asked for it, or the token of the link.

    One of the two works, and once. After five wrong codes a request is dead. A second factor is asked for as at every
    login: then the reply is 403 `second_factor_required`, and `POST /auth/login/continue` goes on.
    """
    mail_logins, device_token = call.get(MailLoginService), call.header(DEVICE_TOKEN.name)
    if body.token is not None:
        return as_reply(call, mail_logins.by_token(body.token, call.device, device_token))
    opened = mail_logins.by_code(body.request or "", body.code or "", call.device, device_token)
    return as_reply(call, opened)
