"""Inviting users, and answering an invitation."""

from __future__ import annotations

from dataclasses import replace

from app.accounts.authentication import PASSWORD
from app.accounts.cookies import REFRESH_COOKIE
from app.accounts.principal import Principal
from app.administration.views import AdministeredUserData
from app.invitations.inputs import AnswerInvitation, Invite
from app.invitations.service import Answer, InvitationService, Invitee
from app.platform.errors import (
    CannotBeMailed,
    EmailTaken,
    Forbidden,
    InvalidCode,
    Overloaded,
    SecondFactorRequired,
    SessionEnded,
    Unavailable,
    UsernameTaken,
)
from app.roles.service import Roles
from app.sessions.gate import LoginGate
from app.sessions.views import TokenPair, as_reply
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.guard import permission, public
from app.web.result import Carrying


@endpoint(
    "POST /admin/users",
    access=permission("users:write").by("session", "api_key"),
    operation="inviteUser",
    limit="invite",
    body=Invite,
    returns=AdministeredUserData,
    status=201,
    message="An invitation is on its way",
    raises=(EmailTaken, UsernameTaken, Forbidden, CannotBeMailed, Unavailable),
)
def invite(call: CallBy[Principal], body: Invite) -> AdministeredUserData:
    """Invite a user: they get a mail with a link and a code, valid for seven days, and choose their password.

    It needs all permissions of the `roles` that they shall have. Until they answer, their status is `invited`, and
    nobody can log in as them. `POST /admin/users/<user_id>/reset-password` mails the invitation again. An address that
    another account claims, but never proved, goes to the invited user when they answer.
    """
    roles = None if body.roles is None else tuple(body.roles)
    invitee = Invitee(body.email, body.username, body.name, roles)
    account = call.get(InvitationService).invite(invitee, call.caller, call.device)
    user = replace(account.user, email=account.invited_email)
    return AdministeredUserData.of(user, call.get(Roles).permissions_of(user.roles))


@endpoint(
    "POST /auth/invitation",
    access=public,
    operation="answerInvitation",
    limit="redeem",
    body=AnswerInvitation,
    returns=TokenPair,
    message="Welcome; you are logged in",
    carries=(REFRESH_COOKIE,),
    raises=(InvalidCode, EmailTaken, UsernameTaken, SecondFactorRequired, SessionEnded, Overloaded, Unavailable),
)
def answer(call: Call, body: AnswerInvitation) -> TokenPair | Carrying:
    """Answer an invitation with what was mailed (the `token` of the link, or `email` and `code`), and log in.

    This sets the password and proves the address. It works once.
    """
    invitations = call.get(InvitationService)
    found = invitations.redeemable(token=body.token, email=body.email, code=body.code)
    credentials = invitations.accept(found, Answer(body.password, body.username, body.name), call.device)
    gate = call.get(LoginGate)
    return as_reply(call, gate.admit(gate.first_factor(credentials, "invitation", PASSWORD), call.device))
