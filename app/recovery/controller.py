"""Verification of addresses and recovery of accounts by mail."""

from __future__ import annotations

from app.accounts.principal import Principal
from app.accounts.views import UserData
from app.platform.errors import (
    EmailTaken,
    InvalidCode,
    LastAdmin,
    Overloaded,
    ReauthenticationRequired,
    TooManyRequests,
    Unavailable,
    ValidationFailed,
    WrongPassword,
)
from app.recovery.email_change import EmailChangeService
from app.recovery.inputs import Address, ChangeEmail, MailedToken, ResetPassword, VerifyEmail
from app.recovery.reset import ResetService
from app.recovery.verification import VerificationService
from app.roles.service import Roles
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.guard import authenticated, public
from app.web.view import Nothing


@endpoint(
    "POST /auth/password/forgot",
    access=public,
    operation="forgotPassword",
    limit="mail",
    body=Address,
    returns=Nothing,
    status=202,
    message="If this address has an account, a mail is on its way",
    raises=(Unavailable,),
)
def forgot(call: Call, body: Address) -> Nothing:
    """Mail a link and a code to set a new password. They are valid for 30 minutes.

    The reply is the same whether the address has an account or not. A repeated request mails the valid ones again.
    """
    call.get(ResetService).request(body.email)
    return Nothing()


@endpoint(
    "POST /auth/password/reset",
    access=public,
    operation="resetPassword",
    limit="redeem",
    body=ResetPassword,
    returns=Nothing,
    message="Password set; all sessions have ended",
    raises=(InvalidCode, Overloaded, Unavailable),
)
def reset(call: Call, body: ResetPassword) -> Nothing:
    """Set a new password with what was mailed: the `token` of the link, or `email` and `code`.

    This ends all sessions and verifies the address. It opens no session: log in with the new password.
    """
    call.get(ResetService).redeem(body.new_password, call.device, token=body.token, email=body.email, code=body.code)
    return Nothing()


@endpoint(
    "POST /auth/email/verify",
    access=public,
    limit="redeem",
    body=VerifyEmail,
    returns=UserData,
    message="E-mail address verified",
    raises=(InvalidCode, EmailTaken, Unavailable),
)
def verify_email(call: Call, body: VerifyEmail) -> UserData:
    """Verify an address with what was mailed to it: the `token` of the link, or `email` and `code`.

    The address may be that of an account or of a pending change of address. With `HIDE_ACCOUNTS` it may be that of a
    pending registration, which this completes. If another user has taken its user name meanwhile, it gets none.
    """
    verification = call.get(VerificationService)
    found = verification.redeemable(token=body.token, email=body.email, code=body.code)
    user = verification.verify(found, call.device)
    return UserData.of(user, call.get(Roles).permissions_of(user.roles))


@endpoint(
    "POST /auth/email/resend",
    access=public,
    operation="resendVerification",
    limit="mail",
    body=Address,
    returns=Nothing,
    status=202,
    message="If this address waits to be verified, a mail is on its way",
    raises=(Unavailable,),
)
def resend(call: Call, body: Address) -> Nothing:
    """Send the verification mail again. The reply is the same whether the address needs verification or not."""
    call.get(VerificationService).resend(body.email)
    return Nothing()


@endpoint(
    "POST /auth/email/disown",
    access=public,
    operation="disownEmail",
    limit="redeem",
    body=MailedToken,
    returns=Nothing,
    message="Thank you; what was registered with your address is gone",
    raises=(InvalidCode, LastAdmin, Unavailable),
)
def disown(call: Call, body: MailedToken) -> Nothing:
    """Report, with the token of the verification mail, that its recipient did not register this address.

    An account that never verified the address is deleted; a pending change to it is cancelled. An account that an
    administrator gave the address goes on without it.
    """
    verification = call.get(VerificationService)
    verification.disown(verification.redeemable(token=body.token), call.device)
    return Nothing()


@endpoint(
    "POST /auth/email/undo",
    access=public,
    operation="undoEmailChange",
    limit="redeem",
    body=MailedToken,
    returns=Nothing,
    message="Your old address is back; a mail leads to a new password",
    raises=(InvalidCode, EmailTaken, Unavailable),
)
def undo_email(call: Call, body: MailedToken) -> Nothing:
    """Undo a change of address, with the token that was mailed to the old address, for seven days.

    The old address is restored as verified, all sessions end, the password is void, and a mail to set a new one is
    sent; pending changes and later undo offers are cancelled. An account that was deleted in the meantime is restored,
    too, with its identifier but without its user name, name and contents.
    """
    call.get(EmailChangeService).undo(body.token, call.device)
    return Nothing()


@endpoint(
    "POST /auth/email",
    access=authenticated,
    limit="mail",
    body=ChangeEmail,
    returns=Nothing,
    status=202,
    message="Check the mail of the new address",
    raises=(WrongPassword, ReauthenticationRequired, TooManyRequests, Overloaded, EmailTaken, ValidationFailed),
)
def change_email(call: CallBy[Principal], body: ChangeEmail) -> Nothing:
    """Request a change of the e-mail address.

    A user without a password, as one who registered by a provider, sends none: instead it needs a login within the last
    `REAUTH_SECONDS`.

    The change takes effect when the new address is verified with the token or code mailed to it. The old address then
    gets a mail, and can undo the change for seven days.
    """
    changes = call.get(EmailChangeService)
    changes.request(call.caller, body.email, body.password, call.device, call.require_fresh_login)
    return Nothing()
