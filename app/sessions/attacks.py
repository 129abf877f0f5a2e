"""Tells owners that somebody guesses the password of their account."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from app.platform.errors import SessionEnded

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.accounts.service import Accounts
    from app.audit.late_events import LateEvents

_TOLD_EVERY: Final = timedelta(days=1)


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
            now, told_at, user = self.accounts.clock(), account.attack_told_at, account.user
            actions[:] = ["login.attacked"] if told_at is None or told_at + _TOLD_EVERY <= now else []
            if not actions:
                return account
            changed = replace(account, attack_told_at=now)
            return self.accounts.with_notice(changed, "login_attacked", user.email) if user.email_verified else changed

        with suppress(SessionEnded):  # deleted or disabled meanwhile
            self.accounts.change(user_id, told, actions=actions)
