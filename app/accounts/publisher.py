"""Who is told of changes of accounts elsewhere: the entries that a change leaves in the outbox, in the same write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.accounts.account import Account
    from app.accounts.principal import Principal
    from app.outbox.model import Entry


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an account that is about to be stored: what was done (audit actions), by whom, and what changes.

    `before` is None for a new account. `by` is None if no caller asked for it. `details` are those of the audit events.
    """

    actions: Sequence[str]
    before: Account | None
    after: Account
    by: Principal | None = None
    details: Mapping[str, str] = field(default_factory=dict)


class Publisher(Protocol):
    """Says what a change causes elsewhere."""

    def wants(self, action: str) -> bool:
        """Whether anybody wants to know of this audit action. Raises Unavailable."""

    def entries(self, change: Change) -> tuple[Entry, ...]:
        """The entries to store with the change; none if nobody wants to know. Raises Unavailable."""


class Silent:
    """A Publisher that tells nobody."""

    def wants(self, action: str) -> bool:  # noqa: ARG002 - see Publisher
        return False

    def entries(self, change: Change) -> tuple[Entry, ...]:  # noqa: ARG002 - see Publisher
        return ()


@dataclass(frozen=True, slots=True)
class Publishers:
    """The Publishers of all features, as one."""

    publishers: tuple[Publisher, ...]

    def wants(self, action: str) -> bool:
        """Whether any of them wants to know of it. Raises Unavailable."""
        return any(publisher.wants(action) for publisher in self.publishers)

    def entries(self, change: Change) -> tuple[Entry, ...]:
        """The entries of all. Raises Unavailable."""
        return tuple(entry for publisher in self.publishers for entry in publisher.entries(change))
