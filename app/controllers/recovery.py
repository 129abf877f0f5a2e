"""What is proven by mail: addresses, and a way back into an account."""

from __future__ import annotations

from app.errors import (
    EmailTaken,
    InvalidCode,
    LastAdmin,
    Overloaded,
    Unavailable,
)
from app.inputs.recovery import Address, MailedToken, ResetPassword, VerifyEmail
from app.views.base import Nothing
from app.views.users import UserData
from app.web.endpoint import Call, endpoint
from app.web.guard import public


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
    """Mail a link and a code for a new password, which live for 30 minutes.

    The answer is the same whether the address has an account or not. Asking again mails the live ones again.
    """
    call.services.password_reset.request(body.email)
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
    """Set a new password by what was mailed: the `token` of the link, or `email` and `code`.

    All sessions end, and the address is verified by this. It opens no session: log in with the new password.
    """
    call.services.password_reset.redeem(
        body.new_password, call.device, token=body.token, email=body.email, code=body.code
    )
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
    """Verify an address by what was mailed to it: the `token` of the link, or `email` and `code`.

    That of a registration, of a change of address, or, with `HIDE_ACCOUNTS`, of a registration that waits for this. Its
    user has no user name, if another has got that meanwhile.
    """
    verification = call.services.verification
    found = verification.find(token=body.token, email=body.email, code=body.code)
    return UserData.of(verification.verify(found, call.device))


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
    """Mail again what verifies an address. The answer is the same whether it waits for that or not."""
    call.services.verification.resend(body.email)
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
    """Say that one did not register this address, with the token that was mailed to verify it.

    An account that never verified the address is deleted; a pending change to it is dropped.
    """
    verification = call.services.verification
    verification.disown(verification.find(token=body.token), call.device)
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
    """Take a change of address back, with the token that was mailed to the old one, for seven days.

    The old address is back as verified, all sessions end, the password is void and a way to a new one is mailed;
    pending changes and later undos are cancelled. An account that was deleted meanwhile is back, too, with its
    identifier and without its user name, name and contents.
    """
    call.services.email_change.undo(body.token, call.device)
    return Nothing()
