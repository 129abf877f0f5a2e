"""Audit events: what happened to an account, when, and from where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SUCCESS: Final = "success"
FAILURE: Final = "failure"
DELETIONS: Final = ("user.deleted", "user.disowned", "service_account.deleted")
"""The actions that delete an account, and so erase what its events say."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event; `action` is named like "password.changed". Never holds a secret."""

    id: str
    user_id: str
    action: str
    at: datetime
    ip: str | None
    user_agent: str | None
    expires_at: datetime
    details: Mapping[str, str] = field(default_factory=dict)
    """Shown to the user: so never the identifier or the address of another."""
    actor_id: str | None = None
    """Who did it, if that is another user; then address and device are theirs."""
    outcome: str = SUCCESS
    """SUCCESS or FAILURE."""
    request_id: str | None = None
    """The request that did it, as the log names it; None for a command or a job."""
    salt: str | None = None
    """Random; goes into `digest`, and is erased with what that is made of."""
    digest: str | None = None
    """That of what is erased with the account (`app/audit/signatures.py:digest_of`); None in an event of a former
    version, until it is sealed."""
    signature: str | None = None
    """Made with the event (`app/audit/signatures.py:Signer`); None in an event of a former version."""

    @property
    def is_bare(self) -> bool:
        """Whether it says neither where it came from nor anything more: erased, or so from the beginning."""
        return self.ip is None and self.user_agent is None and not self.details


class Place(NamedTuple):
    """Where an event stands in the order of time."""

    at: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class Search:
    """Which events are looked for: those of a user, of an action, since a time; None leaves it open."""

    user_id: str | None = None
    action: str | None = None
    since: datetime | None = None


class Events(Protocol):
    """The operations of a store on audit events. Each raises `Unavailable` when the store does not answer."""

    def add(self, event: AuditEvent) -> None:
        """Store a new event, even if its user was deleted: so it must hold no personal data but their identifier."""

    def record(self, event: AuditEvent) -> bool:
        """Store a new event if its user exists and is not deleted; returns whether it was stored.

        False also if the identifier is in use. If the user is deleted at the same time, nothing of them remains: either
        the deletion finds the event, or this finds the user deleted.
        """

    def page_of(self, user_id: str, *, before: str | None, limit: int) -> list[AuditEvent]:
        """Up to `limit` events of a user that are older than `before`, newest first (by identifier)."""

    def search(self, wanted: Search, *, before: Place | None, limit: int) -> list[AuditEvent]:
        """Up to `limit` of the wanted events that stand before `before`, newest first (by time, then by identifier)."""

    def anonymise_some(self, user_id: str, *, after: str | None, limit: int) -> str | None:
        """Remove all but identifiers (address, device, details, request, salt) from up to `limit` events of a user.

        It takes the events after `after`, in the order of their identifiers. Returns the identifier to continue after,
        None at the end.
        """

    def gather(self, now: datetime, limit: int) -> int:
        """Put events among the others that a crash left with the account of their change; returns how many.

        It takes up to `limit` accounts, and leaves what is so new at `now` that its own request does it. Whoever reads
        or anonymises the events of a user finds these, too; so this may come late.
        """

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` expired events; returns how many."""
