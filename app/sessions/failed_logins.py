"""What follows a failed login: it counts, it is an audit event, and the owner is told of guessers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.audit.model import FAILURE

if TYPE_CHECKING:
    from app.audit.late_events import LateEvents
    from app.audit.service import Audit
    from app.platform.devices import Device
    from app.sessions.attacks import AttackNotices
    from app.throttle.service import Attempt, PasswordThrottle


@dataclass(frozen=True, slots=True)
class FailedLogins:
    """Counts and notes failed logins."""

    throttle: PasswordThrottle
    audit: Audit
    late: LateEvents
    attacks: AttackNotices

    def count(self, attempt: Attempt, user_id: str | None) -> None:
        """Count a wrong password or code. Raises TooManyRequests if this login is refused by now."""
        if self.throttle.fail_login(attempt) and user_id is not None:
            self.attacks.tell_later(user_id)

    def note(self, user_id: str | None, reason: str, device: Device) -> None:
        """Have an audit event stored, of an account at most one a minute and reason, so that guessers fill no table.

        Where there is no account the same is done in vain: the time of the reply must not tell.
        """
        minute = self.audit.clock().replace(second=0, microsecond=0)
        event = self.audit.event_once(
            user_id or "",
            "login.failed",
            device,
            since=minute,
            subject=f"{user_id} {reason}",
            outcome=FAILURE,
            reason=reason,
        )
        if user_id is not None:
            self.late.add(event)
