"""What users do with their own account, the list of users, and their roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.cookies import REFRESH_COOKIE, without_cookie
from app.accounts.credentials import CredentialService
from app.accounts.deletion import DeletionService
from app.accounts.directory import DirectoryService
from app.accounts.inputs import ChangePassword, DeleteMe, UpdateMe
from app.accounts.principal import Principal
from app.accounts.profile import Changes, ProfileService
from app.accounts.views import ExportDocument, MeData, UserData, UserList
from app.audit.service import Audit
from app.audit.views import EventList, EventView
from app.platform import pieces
from app.platform.errors import (
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
from app.roles.service import Roles
from app.web.call import CallBy
from app.web.endpoint import Endpoint, endpoint
from app.web.export import Exporter, all_pages, document_of, exporter, parts_of
from app.web.guard import authenticated
from app.web.paging import Page
from app.web.result import Carrying
from app.web.view import Nothing, Streamed, View

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PASSWORD_ASKED = (WrongPassword, TooManyRequests, Overloaded)


@endpoint(
    "GET /auth/me",
    access=authenticated.by("session", "impersonation", "api_key"),
    operation="getMe",
    returns=MeData,
)
def me(call: CallBy[Principal]) -> MeData:
    """The user of the access token; and, where an administrator acts for them, who that is and why."""
    return MeData.of_caller(call.caller)


@endpoint(
    "PATCH /auth/me",
    access=authenticated.by("session", "impersonation"),
    body=UpdateMe,
    returns=UserData,
    raises=(UsernameTaken, Forbidden, ReauthenticationRequired),
)
def update_me(call: CallBy[Principal], body: UpdateMe) -> UserData:
    """Change the user name or the name.

    A new user name requires a login of the user within the last `REAUTH_SECONDS`. With `HIDE_ACCOUNTS` it is always
    refused, whether another user has it or not.
    """
    if body.username:
        call.require_fresh_login()
    changes = Changes(body.username or None, body.name, renames="name" in body.model_fields_set)
    return UserData.of(call.get(ProfileService).change(call.caller, changes, call.device), call.caller.permissions)


@endpoint(
    "DELETE /auth/me",
    access=authenticated,
    body=DeleteMe,
    returns=Nothing,
    message="Account deleted",
    carries=(REFRESH_COOKIE,),
    raises=(*_PASSWORD_ASKED, ReauthenticationRequired, LastAdmin),
)
def delete_me(call: CallBy[Principal], body: DeleteMe) -> View | Carrying:
    """Delete the account and everything that belongs to it, at once. Audit events keep only its identifier.

    A user without a password, as one who registered by a provider, sends none: instead it needs a login within the last
    `REAUTH_SECONDS`.

    If its address was changed within the last seven days, the old address gets a mail and stays held. Until the seven
    days are over, `POST /auth/email/undo` can bring the account back, without names, password and contents.
    """
    call.get(DeletionService).delete(call.caller, body.password, call.device, call.require_fresh_login)
    return without_cookie(call, Nothing())


def export_with(exporters: Sequence[Exporter]) -> Endpoint:
    """The endpoint of the export, to which each of these adds a list."""
    document = document_of(ExportDocument, exporters)

    @endpoint(
        "GET /auth/me/export",
        access=authenticated,
        operation="exportMe",
        returns=document,
        raises=(ReauthenticationRequired, Overloaded),
    )
    def export(call: CallBy[Principal]) -> Streamed:
        """Everything the service holds about the user, as one JSON document.

        Requires a login within the last `REAUTH_SECONDS`.
        """
        call.require_fresh_login()
        profile = call.get(ProfileService)
        account = ExportDocument.of(profile.export(call.caller, call.device), call.caller)
        lists = {each.name: profile.while_session_is_live(call.caller, each.pages(call)) for each in exporters}
        return Streamed(document, parts_of(account, lists))

    return export


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
    call.get(CredentialService).change(call.caller, body.current_password, body.new_password, call.device)
    return Nothing()


@endpoint(
    "GET /auth/events",
    access=authenticated.by("session", "impersonation"),
    operation="listEvents",
    query=Page,
    returns=EventList,
    raises=(Unavailable,),
)
def events(call: CallBy[Principal], page: Page) -> EventList:
    """The user's own audit events, newest first."""
    caller = call.caller
    found = call.get(Audit).events_of(caller.user.id, before=page.cursor, limit=page.limit)
    return EventList.of(found, caller.permissions)


@exporter("events", EventView)
def exported_events(call: CallBy[Principal]) -> Iterator[list[EventView]]:
    """The user's own audit events, newest first."""
    audit, user_id, permissions = call.get(Audit), call.caller.user.id, call.caller.permissions
    for page in all_pages(lambda start: audit.events_of(user_id, before=start, limit=pieces.EXPORTED_AT_ONCE)):
        yield EventList.of(page, permissions).events


@endpoint(
    "GET /auth/users",
    access=authenticated.by("session", "impersonation", "api_key"),
    operation="listUsers",
    query=Page,
    returns=UserList,
    raises=(Forbidden,),
)
def users(call: CallBy[Principal], page: Page) -> UserList:
    """The users, in the order of their registration.

    Members see the identifiers and user names of active users. Administrators see all fields of all users. With
    `USER_DIRECTORY=admins` members get 403.
    """
    found = call.get(DirectoryService).list_users(call.caller, after=page.cursor, limit=page.limit)
    roles, version = call.get(Roles), call.caller.roles_version
    return UserList.of(found, lambda names: roles.permissions_of(names, version))
