"""Registration and login."""

from __future__ import annotations

from app.errors import (
    AccountDisabled,
    EmailNotVerified,
    EmailTaken,
    InvalidCredentials,
    Overloaded,
    SessionEnded,
    TooManyRequests,
    Unavailable,
    UsernameTaken,
)
from app.inputs.auth import Login, Register
from app.services.login_name import LoginName
from app.services.registration import NewAccount
from app.views.auth import TokenPair
from app.views.base import Nothing
from app.views.users import UserData
from app.web.endpoint import Call, Outcome, endpoint
from app.web.guard import public

_REGISTERED = "User registered successfully"


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
    raises=(EmailTaken, UsernameTaken, SessionEnded, Overloaded, Unavailable),
)
def register(call: Call, body: Register) -> TokenPair | UserData | Nothing:
    """Create an account and log in to it.

    An e-mail address, a user name or both name the account; both are unique, regardless of case. A code to verify the
    address is mailed. With `REQUIRE_VERIFIED_EMAIL` the reply holds the user without tokens. With `HIDE_ACCOUNTS` it is
    the same 202 for any address, and the account is created only when the address is confirmed from the mail.
    """
    registration, new = call.services.registration, NewAccount(body.password, body.email, body.username, body.name)
    if registration.hides_accounts:
        registration.register_hidden(new)
        return Nothing()
    credentials = registration.register(new, call.device)
    if call.services.login.wants_verification(credentials.user):
        return UserData.of(credentials.user)
    return TokenPair.of(call.services.sessions.open(credentials, call.device, "register"))


@endpoint(
    "POST /auth/login",
    access=public,
    limit="login",
    body=Login,
    returns=TokenPair,
    raises=(InvalidCredentials, AccountDisabled, EmailNotVerified, TooManyRequests, Overloaded, Unavailable),
)
def login(call: Call, body: Login) -> TokenPair:
    """Exchange a name and a password for a session.

    Exactly one of `email`, `username` and `login` (which takes either) names the account. An unknown account and a
    wrong password get the same answer. After ten failures in a row, the next login with that name has to wait.
    """
    return TokenPair.of(call.services.login.login(_name(body), body.password, call.device))


def _name(body: Login) -> LoginName:
    if body.email is not None:
        return LoginName("email", body.email)
    if body.username is not None:
        return LoginName("username", body.username)
    text = body.login or ""
    return LoginName("email" if "@" in text else "username", text)
