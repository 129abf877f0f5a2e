"""Passkeys: for their user, at login and for step-up."""

from __future__ import annotations

from app.accounts.cookies import REFRESH_COOKIE
from app.accounts.factors import PASSKEY
from app.accounts.principal import Principal
from app.factors.passkeys.inputs import AddPasskey, LogInWithPasskey, RenamePasskey
from app.factors.passkeys.login import PasskeyLogin
from app.factors.passkeys.service import PasskeyService
from app.factors.passkeys.vault import PasskeyVault
from app.factors.passkeys.views import (
    NewPasskey,
    NewPasskeyOptions,
    PasskeyData,
    PasskeyListView,
    PasskeyOptions,
    PasskeyView,
)
from app.platform.errors import (
    AccountDisabled,
    EmailNotVerified,
    FactorExists,
    FieldError,
    Forbidden,
    InvalidCode,
    InvalidCredentials,
    InvalidLoginToken,
    LastCredential,
    NotFound,
    ReauthenticationRequired,
    SecondFactorRequired,
    TooManyPasskeys,
    Unavailable,
    UnknownPasskey,
    ValidationFailed,
)
from app.sessions.inputs import AskForOptions, as_json
from app.sessions.views import TokenPair, as_reply
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.guard import authenticated, public
from app.web.result import Carrying
from app.web.view import Nothing


@endpoint(
    "POST /auth/passkeys/options",
    access=authenticated.by("session", "pending_login"),
    operation="askForNewPasskey",
    limit="factors",
    returns=NewPasskeyOptions,
    raises=(TooManyPasskeys, Forbidden, ReauthenticationRequired),
)
def ask_for_new(call: CallBy[Principal]) -> NewPasskeyOptions:
    """Begin to add a passkey: what the browser, or an app, is asked to make.

    The options are JSON of WebAuthn Level 3. They are good for five minutes and one answer, in this session. It needs a
    login within the last `REAUTH_SECONDS`, or the token of one that goes on with `enrol_factor`.
    """
    call.require_fresh_login()
    account, asked = call.get(PasskeyService).ask_for_new(call.caller)
    return NewPasskeyOptions.of(asked, account.user, account.user_handle or "", call.get(PasskeyVault).party)


@endpoint(
    "POST /auth/passkeys",
    access=authenticated.by("session", "pending_login"),
    operation="addPasskey",
    limit="factors",
    body=AddPasskey,
    returns=NewPasskey,
    status=201,
    message="From now on, you can log in with this passkey",
    raises=(InvalidCode, FactorExists, TooManyPasskeys, Forbidden, ReauthenticationRequired, Unavailable),
)
def add_passkey(call: CallBy[Principal], body: AddPasskey) -> NewPasskey:
    """Add the passkey that was made.

    It logs its user in by itself, and it is a second factor: once there is one, the password alone opens nothing. With
    the first factor come recovery codes, which this reply alone shows. An account has at most 20 passkeys. All other
    sessions end, and the user gets a mail. It needs a login within the last `REAUTH_SECONDS`, or the token of one that
    goes on with `enrol_factor`.
    """
    call.require_fresh_login()
    shown, codes = call.get(PasskeyService).add(
        call.caller, body.ceremony, as_json(body.credential), body.name, call.device
    )
    return NewPasskey.of(shown, codes)


@endpoint("GET /auth/passkeys", access=authenticated, operation="listPasskeys", returns=PasskeyListView)
def passkeys(call: CallBy[Principal]) -> PasskeyListView:
    """The user's passkeys, the oldest first, and what a page tells browsers, so that they offer no others."""
    return PasskeyListView.of(call.get(PasskeyService).list_of(call.caller.user.id))


@endpoint(
    "PATCH /auth/passkeys/<passkey_id>",
    access=authenticated,
    operation="renamePasskey",
    limit="factors",
    body=RenamePasskey,
    returns=PasskeyData,
    message="Passkey renamed",
    raises=(NotFound, Forbidden, ReauthenticationRequired),
)
def rename_passkey(call: CallBy[Principal], body: RenamePasskey, passkey_id: str) -> PasskeyData:
    """Give a passkey another name. No session ends, and the user gets a mail.

    It needs a login within the last `REAUTH_SECONDS`.
    """
    call.require_fresh_login()
    shown = call.get(PasskeyService).rename(call.caller, passkey_id, body.name, call.device)
    return PasskeyData(passkey=PasskeyView.of(shown))


@endpoint(
    "DELETE /auth/passkeys/<passkey_id>",
    access=authenticated,
    operation="removePasskey",
    limit="factors",
    returns=Nothing,
    message="The passkey is removed",
    raises=(NotFound, Forbidden, LastCredential, ReauthenticationRequired),
)
def remove_passkey(call: CallBy[Principal], passkey_id: str) -> Nothing:
    """Remove a passkey. Without another factor, the recovery codes are void, too.

    All other sessions end, and the user gets a mail. It needs a login within the last `REAUTH_SECONDS`.
    """
    call.require_fresh_login()
    call.get(PasskeyService).remove(call.caller, passkey_id, call.device)
    return Nothing()


@endpoint(
    "POST /auth/login/passkey/options",
    access=public,
    operation="askToLogInWithPasskey",
    limit="login",
    returns=PasskeyOptions,
    raises=(Unavailable,),
)
def ask_to_log_in(call: Call) -> PasskeyOptions:
    """Begin a login with a passkey: nobody says who they are, and any passkey of this service may answer.

    The options are JSON of WebAuthn Level 3, good for five minutes and one answer.
    """
    return PasskeyOptions.of(call.get(PasskeyService).ask_for_any(), call.get(PasskeyVault).party)


@endpoint(
    "POST /auth/login/passkey",
    access=public,
    operation="logInWithPasskey",
    limit="login",
    body=LogInWithPasskey,
    returns=TokenPair,
    carries=(REFRESH_COOKIE,),
    raises=(
        InvalidCredentials,
        UnknownPasskey,
        AccountDisabled,
        EmailNotVerified,
        SecondFactorRequired,
        Unavailable,
    ),
)
def log_in_with_passkey(call: Call, body: LogInWithPasskey) -> TokenPair | Carrying:
    """Log in with a passkey.

    The passkey and what unlocks it count as two factors. One that no account has is `unknown_passkey`: let the browser
    forget it (`PublicKeyCredential.signalUnknownCredential`).
    """
    return as_reply(call, call.get(PasskeyLogin).login(body.ceremony, as_json(body.credential), call.device))


@endpoint(
    "POST /auth/login/options",
    access=public,
    operation="askToContinueLogin",
    limit="login",
    body=AskForOptions,
    returns=PasskeyOptions,
    raises=(InvalidLoginToken, Unavailable),
)
def ask_at_login(call: Call, body: AskForOptions) -> PasskeyOptions:
    """Go on with a login by a passkey: what the browser, or an app, is asked to sign.

    `login_token` is `login.token` of the reply that asked for a second factor. The answer goes to
    `POST /auth/login/continue`, within five minutes, and there is one try.
    """
    if body.method != PASSKEY:
        raise ValidationFailed(fields=(FieldError("method", "unknown", "No method of this name has options."),))
    asked = call.get(PasskeyService).ask_at_login(body.login_token)
    return PasskeyOptions.of(asked, call.get(PasskeyVault).party)


@endpoint(
    "POST /auth/reauthenticate/options",
    access=authenticated,
    operation="askToReauthenticate",
    limit="login",
    returns=PasskeyOptions,
)
def ask_in_session(call: CallBy[Principal]) -> PasskeyOptions:
    """Begin to prove again who the user is, by a passkey: what the browser, or an app, is asked to sign.

    The answer goes to `POST /auth/reauthenticate`, within five minutes, and there is one try.
    """
    return PasskeyOptions.of(call.get(PasskeyService).ask_in_session(call.caller), call.get(PasskeyVault).party)
