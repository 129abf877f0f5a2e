"""What users do with their own account."""

from __future__ import annotations

from app.accounts.inputs import ChangeEmail, ChangePassword, DeleteMe, UpdateMe
from app.accounts.principal import Principal
from app.accounts.profile import Changes
from app.accounts.views import EventList, ExportDocument, UserData, UserList
from app.platform.errors import (
    EmailTaken,
    Forbidden,
    LastAdmin,
    Overloaded,
    ReauthenticationRequired,
    TooManyRequests,
    Unavailable,
    UsernameTaken,
    ValidationFailed,
    WrongPassword,
)
from app.web.call import CallBy
from app.web.endpoint import endpoint
from app.web.guard import authenticated
from app.web.paging import Page
from app.web.view import Nothing, Streamed

_PASSWORD_ASKED = (WrongPassword, TooManyRequests, Overloaded)


@endpoint("GET /auth/me", access=authenticated, operation="getMe", returns=UserData)
def me(call: CallBy[Principal]) -> UserData:
    """The user of the access token."""
    caller = call.caller
    return UserData.of(caller.user, caller.permissions)


@endpoint(
    "PATCH /auth/me",
    access=authenticated,
    body=UpdateMe,
    returns=UserData,
    raises=(UsernameTaken, Forbidden, ReauthenticationRequired),
)
def update_me(call: CallBy[Principal], body: UpdateMe) -> UserData:
    """Change the user name or the name.

    A new user name requires a login within the last `REAUTH_SECONDS`. With `HIDE_ACCOUNTS` it is always refused,
    whether another user has it or not.
    """
    if body.username:
        call.require_fresh_login()
    changes = Changes(body.username or None, body.name, renames="name" in body.model_fields_set)
    return UserData.of(call.services.profile.change(call.caller, changes, call.device), call.caller.permissions)


@endpoint(
    "DELETE /auth/me",
    access=authenticated,
    body=DeleteMe,
    returns=Nothing,
    message="Account deleted",
    raises=(*_PASSWORD_ASKED, LastAdmin),
)
def delete_me(call: CallBy[Principal], body: DeleteMe) -> Nothing:
    """Delete the account and everything that belongs to it, at once. Audit events keep only its identifier.

    If its address was changed within the last seven days, the old address gets a mail and stays held. Until the seven
    days are over, `POST /auth/email/undo` can bring the account back, without names, password and contents.
    """
    call.services.deletion.delete(call.caller, body.password, call.device)
    return Nothing()


@endpoint(
    "GET /auth/me/export",
    access=authenticated,
    operation="exportMe",
    returns=ExportDocument,
    raises=(ReauthenticationRequired, Overloaded),
)
def export(call: CallBy[Principal]) -> Streamed:
    """Everything the service holds about the user, as one JSON document.

    Requires a login within the last `REAUTH_SECONDS`.
    """
    call.require_fresh_login()
    exported = call.services.profile.export(call.caller, call.device)
    return Streamed(ExportDocument, ExportDocument.parts(exported, call.caller))


@endpoint(
    "POST /auth/password",
    access=authenticated,
    body=ChangePassword,
    returns=Nothing,
    message="Password changed; your other sessions have ended",
    raises=(*_PASSWORD_ASKED, ValidationFailed),
)
def change_password(call: CallBy[Principal], body: ChangePassword) -> Nothing:
    """Change the password. The other sessions end; this one continues."""
    call.services.credentials.change(call.caller, body.current_password, body.new_password, call.device)
    return Nothing()


@endpoint(
    "POST /auth/email",
    access=authenticated,
    limit="mail",
    body=ChangeEmail,
    returns=Nothing,
    status=202,
    message="Check the mail of the new address",
    raises=(*_PASSWORD_ASKED, EmailTaken, ValidationFailed),
)
def change_email(call: CallBy[Principal], body: ChangeEmail) -> Nothing:
    """Request a change of the e-mail address.

    The change takes effect when the new address is verified with the token or code mailed to it. The old address then
    gets a mail, and can undo the change for seven days.
    """
    call.services.email_change.request(call.caller, body.email, body.password, call.device)
    return Nothing()


@endpoint(
    "GET /auth/events",
    access=authenticated,
    operation="listEvents",
    query=Page,
    returns=EventList,
    raises=(Unavailable,),
)
def events(call: CallBy[Principal], page: Page) -> EventList:
    """The user's own audit events, newest first."""
    return EventList.of(call.services.audit.page(call.caller.user.id, before=page.cursor, limit=page.limit))


@endpoint(
    "GET /auth/users", access=authenticated, operation="listUsers", query=Page, returns=UserList, raises=(Forbidden,)
)
def users(call: CallBy[Principal], page: Page) -> UserList:
    """The users, in the order of their registration.

    Members see the identifiers and user names of active users. Administrators see all fields of all users. With
    `USER_DIRECTORY=admins` members get 403.
    """
    found = call.services.directory.page(call.caller, after=page.cursor, limit=page.limit)
    return UserList.of(found, call.services.permissions_of)
