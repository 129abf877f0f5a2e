"""What holds entries of the outbox: accounts, and requests for mail, each of which is an entry itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from app.outbox.model import Claimed, Entry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.mail_requests.model import MailRequest, MailRequests
    from app.accounts.model import Users

ERASE: Final = "erase"
"""The kind of the entry that a deleted account implies: all that belongs to it has to go."""


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
        due = tuple(entry for entry in account.outbox if entry.due_at <= now)
        return Claimed(account, due, until, implied_entries(account, now))

    def settle(self, claimed: Claimed[Account], outcomes: Mapping[str, Entry | None], now: datetime) -> None:
        user_id = claimed.owner.user.id
        while (account := self.users.account(user_id)) is not None:
            left = settled(account, outcomes, claimed_until=claimed.until, now=now)
            is_erased = outcomes.get(user_id, claimed.owner) is None
            # Not if it only just lost its last offer: until that is written, someone may bring it back.
            is_over = left.user.status == "deleted" and not left.outbox and not account.undo_offers
            if is_over and is_erased:
                self.users.remove(user_id)
                return
            if self.users.save(left):
                return


def implied_entries(account: Account, now: datetime) -> tuple[Entry, ...]:
    """What has to be done first, whatever is in the outbox: everything of a deleted account is erased.

    Mail about a deletion waits for that, so that an owner who restores the account loses nothing.
    """
    return (Entry(account.user.id, ERASE, {}, now),) if account.user.status == "deleted" else ()


def settled(
    account: Account, outcomes: Mapping[str, Entry | None], *, claimed_until: datetime, now: datetime
) -> Account:
    """The account after a worker tried the entries in `outcomes`, whose claim ended at `claimed_until`.

    `outcomes` says how each is to wait, None if it is done and goes.
    """
    waiting = ((entry, outcomes.get(entry.id, entry)) for entry in account.outbox)
    # Its time alone is changed: the rest may have been replaced since the worker read it.
    remaining = tuple(
        replace(entry, due_at=left.due_at, attempts=left.attempts) for entry, left in waiting if left is not None
    )
    times, offers = [entry.due_at for entry in remaining], account.undo_offers
    if account.user.status == "deleted":
        offers = account.open_offers(now)
        if account.user.id not in outcomes:  # nobody began to erase it
            times = [now]
        elif failed := outcomes[account.user.id]:  # it was not erased, and nothing else is begun before
            times = [failed.due_at]
        else:
            # The last offer goes by a write of its own: without an offer nobody can restore the account. What is left
            # of the outbox is waited for, or its worker would come back at once, over and over.
            times = [*times, *(offer.expires_at for offer in offers)] or [now]
    # The claim may have expired and belong to another worker by now, which does the rest.
    due_at = min(times, default=None) if account.due_at == claimed_until else account.due_at
    return replace(account, outbox=remaining, undo_offers=offers, due_at=due_at)


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
