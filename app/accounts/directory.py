"""The list of users, as far as the viewer may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.platform.errors import Forbidden

if TYPE_CHECKING:
    from app.accounts.model import User, Users
    from app.accounts.principal import Principal


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some users, oldest first; the next page starts after the identifier `next`, None at the end."""

    users: list[User]
    next: str | None
    whole: bool
    """Whether the viewer may see all of a user, or only identifier and user name."""


@dataclass(frozen=True, slots=True)
class DirectoryService:
    """Lists users. `visible_to` is the setting USER_DIRECTORY."""

    users: Users
    visible_to: Literal["members", "admins"]

    def list_users(self, viewer: Principal, *, after: str | None, limit: int) -> UserPage:
        """Up to `limit` users after `after`: active ones for members, all for viewers with `users:read`.

        Raises Forbidden for members when the directory is for administrators only.
        """
        whole = "users:read" in viewer.permissions
        if not whole and self.visible_to == "admins":
            raise Forbidden("This needs the permission users:read.")
        # One more than asked for tells whether there is a next page.
        users = self.users.page(after=after, limit=limit + 1, active_only=not whole)
        page = users[:limit]
        return UserPage(page, page[-1].id if len(users) > limit else None, whole)
