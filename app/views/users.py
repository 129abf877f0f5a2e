"""Users as JSON."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, SerializeAsAny

from app.models.cursors import cursor_behind
from app.services.permissions import permissions_of
from app.views.base import View
from app.views.schemas import PlainSchemas

if TYPE_CHECKING:
    from app.models.user import User
    from app.services.directory import UserPage


class UserView(View):
    """A user, as shown to that user and to administrators."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    email: str | None = Field(examples=["ann@example.com"])
    email_verified: bool = Field(examples=[False])
    username: str | None = Field(examples=["ann"])
    name: str | None = Field(examples=["Ann Example"])
    roles: list[str] = Field(examples=[["member"]])
    permissions: list[str] = Field(examples=[[]])
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    last_login_at: datetime | None = Field(examples=["2026-01-31T12:00:00.000000Z"])

    @classmethod
    def of(cls, user: User) -> UserView:
        """The view of a user."""
        return cls(
            id=user.id,
            email=user.email,
            email_verified=user.email_verified,
            username=user.username,
            name=user.name,
            roles=list(user.roles),
            permissions=sorted(permissions_of(user.roles)),
            created_at=user.created_at,
            last_login_at=user.last_login_at,
        )


def _beside_what_administrators_see(schema: dict[str, Any]) -> None:
    whole = UserView.model_json_schema(mode="serialization", schema_generator=PlainSchemas)["properties"]
    schema["properties"] |= {name: field for name, field in whole.items() if name not in schema["properties"]}


class ListedUser(View):
    """A user in the list: members see `id` and `username`; only administrators see the rest."""

    model_config = ConfigDict(json_schema_extra=_beside_what_administrators_see)

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    username: str | None = Field(examples=["ann"])


class UserData(View):
    """One user."""

    user: UserView

    @classmethod
    def of(cls, user: User) -> UserData:
        """The data of a reply about one user."""
        return cls(user=UserView.of(user))


class UserList(View):
    """A page of users: all fields for administrators, identifier and user name for members."""

    users: list[SerializeAsAny[ListedUser]]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, page: UserPage) -> UserList:
        """The data of a reply with a page of users."""
        users: Any
        if page.whole:
            users = [UserView.of(user) for user in page.users]
        else:
            users = [ListedUser(id=user.id, username=user.username) for user in page.users]
        # Not validated: a `UserView` is not a `ListedUser`, and all its fields are shown.
        return cls.model_construct(users=users, next=cursor_behind(page.next))
