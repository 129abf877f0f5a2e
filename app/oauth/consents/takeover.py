"""What a stranger let clients have ends when the owner of the address takes the account, or takes it back.

Sessions and codes end with the epoch, in that write. Consents are rows of their own: the write leaves an entry in the
outbox, whose handler deletes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Final

from app.outbox.model import Entry
from app.platform.identifiers import new_id

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.accounts.publisher import Change
    from app.accounts.service import Accounts
    from app.oauth.consents.model import Consents
    from app.platform.clock import Clock

KIND: Final = "consents_of_strangers"
"""The kind of the entries."""


@dataclass(frozen=True, slots=True)
class TakeoverPublisher:
    """An `app.accounts.publisher.Publisher`: leaves the time at which an account came to its owner."""

    clock: Clock

    def wants(self, action: str) -> bool:  # noqa: ARG002 - it is a change that counts, whatever it is called
        return False

    def entries(self, change: Change) -> tuple[Entry, ...]:
        if not _comes_to_its_owner(change):
            return ()
        now = self.clock()
        return (Entry(new_id(), KIND, {"at": ceil(now.timestamp() * 1000)}, now),)


def _comes_to_its_owner(change: Change) -> bool:
    """Whether somebody proves an address that nobody had proven, so that all in the account may be someone else's
    (`Account.with_reset_password`, `Account.taken_over_by`); or undoes the change of their address."""
    before, after = change.before, change.after
    if before is None or before.auth_epoch == after.auth_epoch:
        return False
    was_nobodys = not before.user.email_verified and not before.waits_for_proof
    return (was_nobodys and after.user.email_verified) or "email.undone" in change.actions


@dataclass(frozen=True, slots=True)
class StrangersConsents:
    """Deletes the consents that were given before an account came to its owner."""

    consents: Consents
    accounts: Accounts

    def end(self, account: Account, entry: Entry) -> None:
        """Handles KIND. What the owner has given since stays."""
        user_id, audit = account.user.id, self.accounts.audit
        came_at = datetime.fromtimestamp(entry.payload["at"] / 1000, UTC)
        for consent in self.consents.of_user(user_id):
            if consent.created_at <= came_at:
                event = audit.event(user_id, "grant.revoked", client=consent.client_id)
                if self.consents.remove(user_id, consent.client_id, [event]):
                    audit.tell([event])
