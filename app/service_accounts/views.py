"""Service accounts as JSON."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING

from pydantic import Field

from app.web.cursors import cursor_behind
from app.web.view import View

if TYPE_CHECKING:
    from app.accounts.model import User
    from app.service_accounts.service import ServiceAccountPage


class ServiceAccountView(View):
    """A service account."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    name: str = Field(examples=["Nightly reports"])
    roles: list[str] = Field(examples=[["instructor"]])
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])

    @classmethod
    def of(cls, user: User) -> ServiceAccountView:
        """The view of a service account."""
        return cls(id=user.id, name=user.name or "", roles=list(user.roles), created_at=user.created_at)


class ServiceAccountData(View):
    """One service account."""

    service_account: ServiceAccountView

    @classmethod
    def of(cls, user: User) -> ServiceAccountData:
        """The data of a reply about one service account."""
        return cls(service_account=ServiceAccountView.of(user))


class ServiceAccountList(View):
    """A page of service accounts."""

    service_accounts: list[ServiceAccountView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, page: ServiceAccountPage) -> ServiceAccountList:
        """The data of a reply with a page of service accounts."""
        return cls(
            service_accounts=[ServiceAccountView.of(user) for user in page.accounts], next=cursor_behind(page.next)
        )
