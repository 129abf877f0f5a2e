"""Administrators whose deletion the former version began and did not end.

It replaced the role by a marker first, and asked then whether another administrator is left. After a crash in between,
the marker stays, and permits nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.platform.errors import SessionEnded
from app.roles.model import ADMINISTRATOR, Guard, all_with_role

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.accounts.service import Accounts
    from app.roles.model import Guards

LEAVING: Final = "admin:leaving"
"""The marker. No role can have this name."""
_GUARD: Final = "leaving"


@dataclass(frozen=True, slots=True)
class FormerLeavers:
    """Gives them their role back."""

    accounts: Accounts
    guards: Guards

    def heal(self) -> int:
        """Give the role back to those who have had the marker since the last call; returns how many.

        Not to others: an instance of the former version may run beside this one, and be about to delete them.
        """
        noted = self.guards.load(_GUARD) or Guard(0, ())
        marked = all_with_role(self.accounts.users, LEAVING)
        left_behind = marked & set(noted.ids)
        for user_id in left_behind:
            try:
                self.accounts.change(user_id, _with_role_back)
            except SessionEnded:  # disabled or deleted meanwhile
                continue
        if marked != set(noted.ids):
            self.guards.save(_GUARD, noted.replaced_by(marked))
        return len(left_behind)


def _with_role_back(account: Account) -> Account:
    return account.with_user(roles=tuple(ADMINISTRATOR if role == LEAVING else role for role in account.user.roles))
