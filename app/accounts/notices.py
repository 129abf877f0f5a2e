"""Mails that wait in an account until they are sent: each is an entry of its outbox."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the codec reads the annotation
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

from app.outbox.model import Entry

MAIL: Final = "mail"
"""The kind of the entries that are mail to send."""
WAYS_BACK: Final = frozenset({"email_changed", "deletion_undo"})
"""Mails to a former address that carry its offer to undo the change."""
MOST_NOTICES: Final = 20
"""Mails of an account that wait to be sent; beyond this number the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail that has not been sent yet: its content (`kind`, `facts`) and recipient, but no token.

    `code_id` names the code, pending address or undo offer that the mail carries. In the account it is an entry of the
    outbox, of the kind MAIL.
    """

    id: str
    kind: str
    to: str
    queued_at: datetime
    facts: Mapping[str, str] = field(default_factory=dict)
    code_id: str | None = None
    attempts: int = 0

    @classmethod
    def from_entry(cls, entry: Entry) -> Self:
        """The mail that is in an entry."""
        found = entry.payload
        queued_at = datetime.fromisoformat(found["queued_at"])
        return cls(
            entry.id, found["letter"], found["to"], queued_at, found["facts"], found.get("code_id"), entry.attempts
        )

    def entry(self, due_at: datetime | None = None) -> Entry:
        """The entry with this mail, due as soon as it is queued unless `due_at` is given."""
        payload = {
            "letter": self.kind,
            "to": self.to,
            "queued_at": self.queued_at.isoformat(timespec="milliseconds"),
            "facts": dict(self.facts),
            **({} if self.code_id is None else {"code_id": self.code_id}),
        }
        return Entry(self.id, MAIL, payload, due_at or self.queued_at, self.attempts)
