"""The links of the chain, its checkpoints, and the operations of a store on both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from app.audit.model import AuditEvent


@dataclass(frozen=True, slots=True)
class Link:
    """What seals one event: it covers the event and, by their hashes, all links before it."""

    seq: int
    """1, 2, 3, ... without a gap."""
    event_id: str
    sealed_at: datetime
    expires_at: datetime
    """When the event expires: from then on it may be missing."""
    verdict: str
    """What its signature said when it was sealed (`app/audit/signatures.py:Verdict`)."""
    content: str
    """The hash of what stays of the event."""
    hash: str
    """The hash of all of the above and of the link before this one."""
    secret: str
    """The name of the secret that `mac` was made with."""
    mac: str
    """The HMAC of `hash`."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where the chain stood at a time, signed with the signing key; one a day."""

    number: int
    """1, 2, 3, ..."""
    seq: int
    """The last link that it covers."""
    at: datetime
    kept_until: datetime
    """When the last of the events up to `seq` has expired: from then on their links may be missing."""
    token: str
    """The same and more, as a JWS (`app/audit/chain/checkpoints.py:Statement`)."""
    secret: str
    """The name of the secret that `mac` was made with."""
    mac: str
    """The HMAC of `token`."""


class Sealed(NamedTuple):
    """An event that says which link seals it."""

    seq: int | None
    """None if it says of none."""
    event: AuditEvent


class Links(Protocol):
    """The operations of a store on the chain. Each raises `Unavailable` when the store does not answer."""

    def last(self) -> Link | None:
        """The last link."""

    def append(self, links: Sequence[Link]) -> bool:
        """Add links behind the last one, and have their events say so; False, and nothing but the first of them added,
        if another process has added one, or has sealed one of the events.

        A crash in the middle leaves the first of the links. `unsealed` then has their events say so.
        """

    def unsealed(self, now: datetime, *, after: str | None, limit: int) -> list[AuditEvent]:
        """Up to `limit` events that no link seals and whose identifiers come after `after`, in their order.

        It leaves what is so new at `now` that its own request may still take it back.
        """

    def complete(self, events: Sequence[AuditEvent]) -> None:
        """Give events their salt and digest, unless they have one, or were erased since they were read."""

    def page(self, *, after: int, limit: int) -> list[Link]:
        """Up to `limit` links behind the one of this number, in their order."""

    def sealed(self, first: int, last: int | None, limit: int) -> list[Sealed]:
        """Up to `limit` events that say that one of these links (None: or any later one) seals them, in that order."""

    def events(self, ids: Collection[str]) -> list[Sealed]:
        """Those of these events that there are."""

    def first_since(self, at: datetime) -> int | None:
        """The number of the first link that was made at or after a time."""

    def deleted(self, user_ids: Collection[str]) -> frozenset[str]:
        """Those of these users who do not exist, are deleted, or once were (of which there is an event)."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` links, from the beginning: up to the last checkpoint whose events have all expired.

        The last link stays, since the next one follows it.
        """


class Checkpoints(Protocol):
    """The operations of a store on checkpoints. Each raises `Unavailable` when the store does not answer."""

    def last(self) -> Checkpoint | None:
        """The last checkpoint."""

    def add(self, checkpoint: Checkpoint) -> bool:
        """Store one; False, and nothing stored, if there is one of its number."""

    def page(self, *, after: int, limit: int) -> list[Checkpoint]:
        """Up to `limit` checkpoints behind the one of this number, in their order."""
