"""Users and signing keys, for those who administer them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.grants import GrantService
from app.accounts.principal import Principal
from app.administration.inputs import FindUsers, ResetPassword, SetRoles, UpdateUser
from app.administration.search import UserFinder, UserQuery
from app.administration.signing_keys import KeyAdministration
from app.administration.users import UserAdministration, UserChanges
from app.administration.views import AdministeredUserData, FoundUsers, SigningKeyData, SigningKeyList
from app.platform.errors import (
    CannotBeMailed,
    EmailTaken,
    Forbidden,
    LastAdmin,
    NotFound,
    ReauthenticationRequired,
    TooManyRequests,
    Unavailable,
    UsernameTaken,
    ValidationFailed,
)
from app.roles.service import Roles
from app.web.call import CallBy
from app.web.endpoint import endpoint
from app.web.guard import permission
from app.web.paging import Part
from app.web.view import Nothing

if TYPE_CHECKING:
    from app.accounts.model import User

_READS = permission("users:read").by("session", "api_key")
_WRITES = permission("users:write").by("session", "api_key")
_WRITES_IN_A_SESSION = permission("users:write")
"""For what concerns sessions and passwords, which are no business of an API key."""
_NEED_A_LOGIN = frozenset({"email", "email_verified", "username"})
"""What a stolen session, or an API key, must not turn into the account itself: whoever has the address can reset the
password."""


@endpoint(
    "GET /admin/users",
    access=_READS,
    operation="findUsers",
    query=FindUsers,
    returns=FoundUsers,
    raises=(ValidationFailed,),
)
def users(call: CallBy[Principal], query: FindUsers) -> FoundUsers:
    """Users by the beginning of their address, user name or name, by role and by status; or all of them.

    With `q`, first come those whose address begins with it, in alphabetical order, then those with such a user name,
    then those with such a name. Without, it is the order of registration. Each page is found in about the same time,
    however many users there are: so a page of a rare combination may have few users or none, and still a `next`.
    """
    asked = UserQuery(query.q, query.role, query.status)
    page = call.get(UserFinder).page(asked, cursor=query.cursor, limit=query.limit)
    roles, version = call.get(Roles), call.caller.roles_version
    return FoundUsers.of(page, lambda names: roles.permissions_of(names, version))


@endpoint(
    "GET /admin/users/<user_id>", access=_READS, operation="getUser", returns=AdministeredUserData, raises=(NotFound,)
)
def user(call: CallBy[Principal], user_id: str) -> AdministeredUserData:
    """One user, whatever their status."""
    return _shown(call, call.get(UserAdministration).user(user_id))


@endpoint(
    "PATCH /admin/users/<user_id>",
    access=_WRITES,
    operation="updateUser",
    body=UpdateUser,
    returns=AdministeredUserData,
    raises=(
        NotFound,
        Forbidden,
        ReauthenticationRequired,
        EmailTaken,
        UsernameTaken,
        TooManyRequests,
        ValidationFailed,
    ),
)
def update(call: CallBy[Principal], body: UpdateUser, user_id: str) -> AdministeredUserData:
    """Change address and names of a user. Their sessions continue, and their password stays.

    The user logs in with a new address at once. It is not proven unless `email_verified` says so: the user is asked for
    proof by mail, and no reset is mailed to the address before. As when users change it themselves, the former address
    gets a mail and can undo the change for seven days. Your own address and user name need a login within the last
    `REAUTH_SECONDS`.
    """
    if user_id == call.caller.user.id and not _NEED_A_LOGIN.isdisjoint(body.model_fields_set):
        call.require_fresh_login()
    changes = UserChanges(
        email=body.email or None,
        email_verified=body.email_verified if "email_verified" in body.model_fields_set else None,
        username=body.username or None,
        name=body.name,
        renames="name" in body.model_fields_set,
    )
    return _shown(call, call.get(UserAdministration).update(user_id, changes, call.caller, call.device))


@endpoint(
    "DELETE /admin/users/<user_id>",
    access=_WRITES,
    operation="deleteUser",
    returns=Nothing,
    message="User deleted",
    raises=(NotFound, Forbidden, LastAdmin),
)
def delete(call: CallBy[Principal], user_id: str) -> Nothing:
    """Delete a user and everything that belongs to them, at once, as they could do themselves.

    A former address that can undo a change can still bring the account back; one that was disabled is disabled then.
    Your own account you delete with `DELETE /auth/me`.
    """
    call.get(UserAdministration).delete(user_id, call.caller, call.device)
    return Nothing()


@endpoint(
    "POST /admin/users/<user_id>/disable",
    access=_WRITES,
    operation="disableUser",
    returns=AdministeredUserData,
    message="User disabled; all their sessions have ended",
    raises=(NotFound, Forbidden, LastAdmin),
)
def disable(call: CallBy[Principal], user_id: str) -> AdministeredUserData:
    """Shut a user out, at once and everywhere. Sessions, API keys, mailed codes and a pending address end for good.

    The user is told by mail. For a user who is disabled already, nothing changes.
    """
    return _shown(call, call.get(UserAdministration).disable(user_id, call.caller, call.device))


@endpoint(
    "POST /admin/users/<user_id>/enable",
    access=_WRITES,
    operation="enableUser",
    returns=AdministeredUserData,
    message="User enabled",
    raises=(NotFound, Forbidden),
)
def enable(call: CallBy[Principal], user_id: str) -> AdministeredUserData:
    """Let a disabled user log in again. One who had not answered their invitation is invited, and has to be mailed
    again.

    The user is told by mail. For a user who is not disabled, nothing changes.
    """
    return _shown(call, call.get(UserAdministration).enable(user_id, call.caller, call.device))


@endpoint(
    "POST /admin/users/<user_id>/logout",
    access=_WRITES_IN_A_SESSION,
    operation="logoutUser",
    returns=AdministeredUserData,
    message="All sessions of the user have ended",
    raises=(NotFound, Forbidden),
)
def log_out(call: CallBy[Principal], user_id: str) -> AdministeredUserData:
    """End all sessions of a user, at once and everywhere. They can log in again."""
    return _shown(call, call.get(UserAdministration).log_out(user_id, call.caller, call.device))


@endpoint(
    "POST /admin/users/<user_id>/reset-password",
    access=_WRITES_IN_A_SESSION,
    operation="resetPasswordOfUser",
    limit="mail",
    body=ResetPassword,
    returns=AdministeredUserData,
    message="A mail is on its way to the user",
    raises=(NotFound, Forbidden, CannotBeMailed),
)
def reset_password(call: CallBy[Principal], body: ResetPassword, user_id: str) -> AdministeredUserData:
    """Mail a user a link and a code to set a new password; to one who was invited, the invitation again.

    The present password works until they do; nobody but the user chooses a password. `end_sessions` ends their sessions
    at once.
    """
    administration = call.get(UserAdministration)
    found = administration.start_reset(user_id, call.caller, call.device, end_sessions=body.end_sessions)
    return _shown(call, found)


@endpoint(
    "POST /admin/users/<user_id>/unlock",
    access=_WRITES_IN_A_SESSION,
    operation="unlockUser",
    returns=AdministeredUserData,
    message="User unlocked",
    raises=(NotFound, Forbidden, Unavailable),
)
def unlock(call: CallBy[Principal], user_id: str) -> AdministeredUserData:
    """Forget the failed logins of a user, who may have to wait after too many; and let their address have codes again,
    after too many wrong ones."""
    return _shown(call, call.get(UserAdministration).unlock(user_id, call.caller, call.device))


@endpoint(
    "PUT /admin/users/<user_id>/roles",
    access=permission("roles:write").by("session", "api_key"),
    operation="setUserRoles",
    body=SetRoles,
    returns=AdministeredUserData,
    raises=(NotFound, Forbidden, LastAdmin),
)
def set_roles(call: CallBy[Principal], body: SetRoles, user_id: str) -> AdministeredUserData:
    """Give a user these roles and no others. It works on their next request.

    It needs all permissions that the user has, and all that they shall have. The last administrator stays one.
    """
    return _shown(call, call.get(GrantService).set_roles(call.caller, user_id, tuple(body.roles), call.device))


@endpoint(
    "GET /admin/keys",
    access=permission("keys:write"),
    operation="listSigningKeys",
    query=Part,
    returns=SigningKeyList,
    raises=(ValidationFailed,),
)
def keys(call: CallBy[Principal], part: Part) -> SigningKeyList:
    """The keys that sign access tokens, the oldest first; never the keys themselves."""
    some, after = part.of(call.get(KeyAdministration).listed(), lambda key: key.age, "keys")
    return SigningKeyList.of(some, after)


@endpoint(
    "POST /admin/keys/rotate",
    access=permission("keys:write"),
    operation="rotateSigningKeys",
    returns=SigningKeyData,
    message="The key is published, and signs once every verifier can have it",
    raises=(Unavailable, Forbidden),
)
def rotate_keys(call: CallBy[Principal]) -> SigningKeyData:
    """Add a signing key. It signs once every verifier can have it, after more than an hour; tokens stay valid.

    If a key is waiting to sign already, it is returned, and no other is added. A key that leaked is revoked by the
    operator: `flask keys revoke`.
    """
    return SigningKeyData.of(call.get(KeyAdministration).rotate(call.caller, call.device))


def _shown(call: CallBy[Principal], user: User) -> AdministeredUserData:
    return AdministeredUserData.of(user, call.get(Roles).permissions_of(user.roles))
