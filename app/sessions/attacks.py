"""Tells owners that somebody guesses the password of their account."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from app.platform.errors import SessionEnded

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.accounts.service import Accounts
    from app.audit.late_events import LateEvents


@dataclass(frozen=True, slots=True)
class AttackNotices:
    """Tells each owner at most once a day: by mail, at a verified address, and by an audit event."""

    accounts: Accounts
    late: LateEvents

    def tell_later(self, user_id: str) -> None:
        """Have the owner told after the reply, whose time must not show whether there is an account."""
        self.late.defer(f"attack {user_id}", partial(self.tell, user_id))

    def tell(self, user_id: str) -> None:
        """Queue the mail, record the event and note when, in one write. Of any number at once one does it."""
        actions: list[str] = []

        def told(account: Account) -> Account:
            changed = account.with_attack_told(self.accounts.clock())
            actions[:] = ["login.attacked"] if changed is not account else []
            user = account.user
            if not actions or not user.email_verified:
                return changed
            return self.accounts.with_notice(changed, "login_attacked", user.email)

        with suppress(SessionEnded):  # deleted or disabled meanwhile
            self.accounts.change(user_id, told, actions=actions)
