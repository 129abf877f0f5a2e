"""Consents of whoever had an account before its owner proved the address: they are not the owner's, and go.

What brings an account to its owner leaves an entry in its outbox, in the same write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from app.outbox.model import Entry
from app.platform.identifiers import new_id

if TYPE_CHECKING:
    from app.accounts.publisher import Change
    from app.platform.clock import Clock

KIND: Final = "former_consents"
"""The kind of the entries."""
_BRINGS_BACK: Final = frozenset({"identity.took_over", "email.undone"})
"""Audit actions by which an account always comes to the owner of an address."""


@dataclass(frozen=True, slots=True)
class FormerOwner:
    """An `app.accounts.publisher.Publisher`: leaves word of each change by which an account comes to its owner."""

    clock: Clock

    def wants(self, action: str) -> bool:  # noqa: ARG002 - see Publisher
        return False

    def entries(self, change: Change) -> tuple[Entry, ...]:
        if not (_is_first_proof(change) or not _BRINGS_BACK.isdisjoint(change.actions)):
            return ()
        now = self.clock()
        return (Entry(new_id(), KIND, {"until": now.isoformat()}, now),)


def until(entry: Entry) -> datetime:
    """When the account came to its owner: consents from before are a former owner's."""
    return datetime.fromisoformat(entry.payload["until"])


def _is_first_proof(change: Change) -> bool:
    """Whether a reset proves an address that nobody had proven ("proof beats claim"); that of a rescue proves none."""
    before = change.before
    return (
        before is not None
        and "password.reset" in change.actions
        and change.after.user.email_verified
        and not (before.user.email_verified or before.waits_for_proof)
    )
