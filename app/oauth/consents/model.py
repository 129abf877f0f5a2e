"""Consents, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.audit.model import AuditEvent

COVERED: Final = ("client_name", "scopes", "resources", "last_used_at", "revision")
"""The fields that another consent for the same client changes."""
Outcome: TypeAlias = Literal["kept", "ended", "full"]
"""What came of a consent: it is kept; the session in which it was given has ended; its user has given too many."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user lets a client have: these scopes, and tokens for these resources (RFC 8707)."""

    id: str
    user_id: str
    client_id: str
    client_name: str
    """The name of the client when the user was last asked. It is kept here since that of a metadata document would have
    to be fetched."""
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None = None
    """When the client was last given access by it."""
    revision: int = 0
    """Rises with each change of what it covers."""

    def covers(self, scopes: Sequence[str], resources: Sequence[str]) -> bool:
        """Whether it holds all of these."""
        return set(scopes) <= set(self.scopes) and set(resources) <= set(self.resources)

    def widened(self, other: Consent) -> Consent:
        """The same with what another one of this user for this client holds, used when that was given."""
        return replace(
            self,
            client_name=other.client_name,
            scopes=tuple(dict.fromkeys((*self.scopes, *other.scopes))),
            resources=tuple(dict.fromkeys((*self.resources, *other.resources))),
            last_used_at=other.last_used_at,
            revision=self.revision + 1,
        )


class Consents(Protocol):
    """The operations of a store on consents. Each raises `Unavailable` when the store does not answer."""

    def allow(self, consent: Consent, session_id: str, events: Sequence[AuditEvent] = (), *, most: int) -> Outcome:
        """Keep a consent and its events; with what its client already has, if there is one of this user for it.

        "ended", and nothing is kept, if `session_id` is not a live session of the user at the `created_at` of the
        consent. "full", and nothing is kept, if it were one more than `most` of the user.

        In SQL it is one transaction. In MongoDB, what is looked at afterwards takes the write back.
        """

    def find(self, user_id: str, client_id: str) -> Consent | None:
        """That of a user for a client."""

    def of_user(self, user_id: str) -> list[Consent]:
        """Those of a user, oldest first."""

    def touch(self, user_id: str, client_id: str, now: datetime) -> bool:
        """Record that one was used, and return whether it is still there; `last_used_at` never goes back."""

    def remove(self, user_id: str, client_id: str, events: Sequence[AuditEvent] = ()) -> bool:
        """Delete one, and store the events of its end with it; False, and no event is stored, if there is none, or its
        user is deleted."""

    def remove_some_of(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` of a user; returns how many."""

    def remove_some_of_client(self, client_id: str, limit: int) -> int:
        """Delete up to `limit` of a client; returns how many."""
