"""What holds entries of the outbox: accounts, and requests for mail, each of which is an entry itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.outbox.model import Claimed, Entry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.mail_requests.model import MailRequest, MailRequests
    from app.accounts.model import Users


@dataclass(frozen=True, slots=True)
class AccountHolders:
    """Accounts as `app.outbox.model.Holders`, by the identifiers of their users."""

    users: Users

    def due(self, now: datetime, limit: int) -> list[str]:
        return self.users.due(now, limit)

    def claim(self, key: str, now: datetime, until: datetime) -> Claimed[Account] | None:
        account = self.users.account(key)
        if account is None or account.due_at is None or account.due_at > now:
            return None
        if not self.users.save(replace(account, due_at=until)):
            return None
        return Claimed(account, account.due_entries(now), until, account.implied_entries(now))

    def settle(self, claimed: Claimed[Account], outcomes: Mapping[str, Entry | None], now: datetime) -> None:
        user_id = claimed.owner.user.id
        while (account := self.users.account(user_id)) is not None:
            settled = account.settled(outcomes, claimed_until=claimed.until, now=now)
            erased = outcomes.get(user_id, claimed.owner) is None
            # Not if it only just lost its last offer: until that is written, someone may bring it back.
            if settled.is_over and erased and not account.undo_offers:
                self.users.remove(user_id)
                return
            if self.users.save(settled):
                return


@dataclass(frozen=True, slots=True)
class MailRequestHolders:
    """Requests for mail as `app.outbox.model.Holders`: each holds one entry, itself."""

    requests: MailRequests

    def due(self, now: datetime, limit: int) -> list[MailRequest]:
        return self.requests.due(now, limit)

    def claim(self, key: MailRequest, now: datetime, until: datetime) -> Claimed[MailRequest] | None:
        if not self.requests.reschedule(key, until, key.attempts + 1):
            return None
        claimed = replace(key, due_at=until, attempts=key.attempts + 1)
        if key.expires_at <= now:
            self.requests.remove(key.id)
            return Claimed(claimed, (), until)
        return Claimed(claimed, (Entry(key.id, key.kind, {}, now, key.attempts),), until)

    def settle(self, claimed: Claimed[MailRequest], outcomes: Mapping[str, Entry | None], now: datetime) -> None:
        del now
        request = claimed.owner
        if request.id not in outcomes:
            return
        left = outcomes[request.id]
        if left is not None:
            self.requests.reschedule(request, left.due_at, left.attempts)
        elif request.registration is not None:
            # It waits for its answer. It was mailed, so its attempts never go back to 0, even if it is requested again.
            self.requests.reschedule(request, None, 1)
        else:
            self.requests.remove(request.id)
