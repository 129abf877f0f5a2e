"""Users as JSON."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, SerializeAsAny
from pydantic.json_schema import SkipJsonSchema  # noqa: TC002 - pydantic reads the annotation

from app.web.cursors import cursor_behind
from app.web.schemas import PlainSchemas
from app.web.view import View, is_none

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.account import Account
    from app.accounts.directory import UserPage
    from app.accounts.model import User
    from app.accounts.principal import Principal
    from app.accounts.under_way import Impersonation


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
    def of(cls, user: User, permissions: frozenset[str]) -> UserView:
        """The view of a user, who has these permissions."""
        return cls(
            id=user.id,
            email=user.email,
            email_verified=user.email_verified,
            username=user.username,
            name=user.name,
            roles=list(user.roles),
            permissions=sorted(permissions),
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
    def of(cls, user: User, permissions: frozenset[str]) -> UserData:
        """The data of a reply about one user."""
        return cls(user=UserView.of(user, permissions))


class ImpersonationView(View):
    """Who acts for the user, and until when."""

    by: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7b"], description="The administrator.")
    reason: str = Field(examples=["Ticket 4711: the list of orders stays empty"])
    expires_at: datetime = Field(examples=["2026-01-31T12:15:00.000000Z"])

    @classmethod
    def of(cls, impersonation: Impersonation) -> ImpersonationView:
        """What the administrator sees of it."""
        return cls(by=impersonation.actor_id, reason=impersonation.reason, expires_at=impersonation.expires_at)


class MeData(UserData):
    """The user of the request."""

    impersonation: ImpersonationView | SkipJsonSchema[None] = Field(
        default=None, exclude_if=is_none, description="Only where an administrator acts for the user."
    )

    @classmethod
    def of_caller(cls, caller: Principal) -> MeData:
        """The data of a reply that tells a caller who they are."""
        return cls(
            user=UserView.of(caller.user, caller.permissions),
            impersonation=ImpersonationView.of(caller.impersonation) if caller.impersonation else None,
        )


class UserList(View):
    """A page of users: all fields for administrators, identifier and user name for members."""

    users: list[SerializeAsAny[ListedUser]]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, page: UserPage, permissions_of: Callable[[tuple[str, ...]], frozenset[str]]) -> UserList:
        """The data of a reply with a page of users; `permissions_of` gives the permissions of roles."""
        users: Any
        if page.whole:
            users = [UserView.of(user, permissions_of(user.roles)) for user in page.users]
        else:
            users = [ListedUser(id=user.id, username=user.username) for user in page.users]
        # Not validated: a `UserView` is not a `ListedUser`, and all its fields are shown.
        return cls.model_construct(users=users, next=cursor_behind(page.next))


class AddressView(View):
    """A pending or former e-mail address of the account."""

    email: str = Field(examples=["ann@example.com"])
    expires_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])


class WaitingMailView(View):
    """A mail that is waiting to be sent."""

    kind: str = Field(examples=["password_changed"])
    to: str = Field(examples=["ann@example.com"])
    queued_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])


class ExportDocument(View):
    """Everything the service holds about a user, except their credentials."""

    user: UserView
    pending_email: AddressView | None = Field(description="The address that is waiting to be verified.")
    former_emails: list[AddressView] = Field(description="The former addresses that can still undo their change.")
    waiting_mails: list[WaitingMailView]

    @classmethod
    def of(cls, account: Account, caller: Principal) -> ExportDocument:
        """What is shown to `caller` of their account itself; other features add their lists (`app.web.export`)."""
        pending = account.pending_email
        return cls(
            user=UserView.of(account.user, caller.permissions),
            pending_email=AddressView(email=pending.email, expires_at=pending.expires_at) if pending else None,
            former_emails=[
                AddressView(email=offer.email, expires_at=offer.expires_at) for offer in account.undo_offers
            ],
            waiting_mails=[
                WaitingMailView(kind=notice.kind, to=notice.to, queued_at=notice.queued_at)
                for notice in account.notices
            ],
        )
