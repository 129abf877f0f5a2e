"""Invited users as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from app.accounts.model import Status  # noqa: TC001 - pydantic reads the annotation
from app.accounts.views import UserView
from app.web.view import View

if TYPE_CHECKING:
    from app.accounts.account import Account


class InvitedUserView(UserView):
    """A user who is invited, as shown to administrators."""

    status: Status = Field(examples=["invited"])


class InvitedUserData(View):
    """One user who is invited."""

    user: InvitedUserView

    @classmethod
    def of(cls, account: Account, permissions: frozenset[str]) -> InvitedUserData:
        """The data of a reply about an invited user, who will have these permissions."""
        shown = UserView.of(account.user, permissions).model_dump() | {"email": account.invited_email}
        return cls(user=InvitedUserView(**shown, status=account.user.status))
