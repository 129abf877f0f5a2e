"""The page that the link of an invitation opens. Opening it changes nothing; its form answers the invitation."""

from __future__ import annotations

from app.invitations.inputs import AnswerInvitation
from app.invitations.service import Answer, InvitationService
from app.platform.errors import EmailTaken, FieldError, UsernameTaken, ValidationFailed
from app.recovery.pages import password_rules, redeeming
from app.web.call import Call
from app.web.endpoint import page
from app.web.guard import public
from app.web.result import File

_TEMPLATE = "invitation.html"


@page("GET /invitation", access=public)
def invitation(call: Call) -> File:
    """The page to answer an invitation."""
    return call.page(_TEMPLATE, **password_rules(call))


@redeeming("POST /invitation", AnswerInvitation, _TEMPLATE, facts=password_rules, raises=(EmailTaken,))
def answer_invitation(call: Call, form: AnswerInvitation) -> File:
    """Answer it: set the password. This opens no session, since pages have none."""
    invitations = call.get(InvitationService)
    found = invitations.redeemable(token=form.token, email=form.email, code=form.code)
    try:
        user = invitations.accept(found, Answer(form.password, form.username, form.name), call.device).user
    except UsernameTaken:
        message = "This user name is taken. Choose another one."
        raise ValidationFailed(fields=(FieldError("username", "taken", message),)) from None
    return call.page("invitation_accepted.html", name=user.username or user.email)
