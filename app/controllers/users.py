"""The list of users."""

from __future__ import annotations

from app.errors import Forbidden
from app.inputs.pages import Page
from app.views.users import UserList
from app.web.endpoint import Call, endpoint
from app.web.guard import authenticated


@endpoint(
    "GET /auth/users", access=authenticated, operation="listUsers", query=Page, returns=UserList, raises=(Forbidden,)
)
def users(call: Call, page: Page) -> UserList:
    """The users, in the order of their registration.

    Members see the identifiers and user names of active users. Administrators see all fields of all users. With
    `USER_DIRECTORY=admins` members get 403.
    """
    return UserList.of(call.services.directory.page(call.user, after=page.cursor, limit=page.limit))
