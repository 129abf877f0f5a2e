"""Webhooks and their deliveries, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - the codec reads the annotation
from typing import Final, Literal, Protocol

Status = Literal["pending", "failed", "delivered", "dead"]
"""`pending` was not tried yet, `failed` will be tried again, `dead` will not. A newer version may know others."""
ALL_EVENTS: Final = "*"
"""Stands for every event, also those of later versions."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A signing secret as the store keeps it; `wrapped_by` names the SECRET_KEY that seals it."""

    text: str = field(repr=False)
    wrapped_by: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events are posted to. `failing_since` is when the attempts began to fail; None after one that succeeded."""

    id: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    secret: SealedSecret
    description: str | None = None
    enabled: bool = True
    owner_id: str | None = None
    """Who made it, and is told when it is disabled; None for the operator."""
    failing_since: datetime | None = None
    former: SealedSecret | None = None
    """The secret before this one: until `former_until` it signs, too."""
    former_until: datetime | None = None
    disabled_for: str | None = None
    """Why the service itself disabled it: "gone" (its server answered 410) or "failing"."""
    untold: bool = False
    """Whether its owner has to be told of that yet."""

    def wants(self, event: str) -> bool:
        """Whether this event is posted to it, if it is enabled."""
        return event in self.events or ALL_EVENTS in self.events


@dataclass(frozen=True, slots=True)
class WebhookBook:
    """All webhooks, the oldest first: one document with a version (0 before the first write)."""

    version: int = 0
    webhooks: tuple[Webhook, ...] = ()

    def find(self, webhook_id: str) -> Webhook | None:
        """The webhook of this identifier."""
        return next((webhook for webhook in self.webhooks if webhook.id == webhook_id), None)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that is posted to a webhook, under the same identifier each time. `body` is what is signed and sent.

    `attempts` counts those that were begun. A worker that posts it has set `next_attempt_at` to the end of its claim.
    """

    id: str
    webhook_id: str
    event: str
    body: str = field(repr=False)
    created_at: datetime
    next_attempt_at: datetime | None
    expires_at: datetime
    user_id: str | None = None
    """Whom it is about."""
    status: str = "pending"
    attempts: int = 0
    response_status: int | None = None
    error: str | None = None
    """Why the last attempt failed."""


class WebhookBooks(Protocol):
    """The operations of a store on the webhooks. Each raises `Unavailable` when the store does not answer."""

    def load(self) -> WebhookBook:
        """The webhooks, as they are."""

    def save(self, book: WebhookBook) -> bool:
        """Replace the book whose version is one less than that of `book`.

        One atomic conditional write: False, and nothing changed, if another write was faster.
        """


class Deliveries(Protocol):
    """The operations of a store on deliveries. Each raises `Unavailable` when the store does not answer."""

    def add(self, delivery: Delivery) -> bool:
        """Store a new delivery; False if its identifier is in use."""

    def get(self, delivery_id: str) -> Delivery | None:
        """The delivery of this identifier."""

    def due(self, webhook_id: str, now: datetime, limit: int) -> list[Delivery]:
        """Up to `limit` deliveries of a webhook whose attempt is due at `now`, those due longest first."""

    def replace(self, seen: Delivery, by: Delivery) -> bool:
        """Replace status, attempts, times and outcome, if the stored attempts and next attempt are those of `seen`.

        One atomic conditional write: False if another worker was faster, or the delivery is gone.
        """

    def page_of(self, webhook_id: str, *, before: str | None, limit: int) -> list[Delivery]:
        """Up to `limit` deliveries of a webhook that are older than `before`, newest first (by identifier)."""

    def waiting(self, webhook_id: str, limit: int) -> int:
        """How many deliveries of a webhook wait for an attempt; it counts up to `limit`."""

    def prune(self, webhook_id: str, keep: int) -> int:
        """Delete the deliveries of a webhook that wait for nothing, but for the newest `keep`; returns how many.

        Some hundreds at once.
        """

    def remove(self, delivery_id: str) -> None:
        """Delete a delivery."""

    def remove_some_of(self, webhook_id: str, limit: int) -> int:
        """Delete up to `limit` deliveries of a webhook; returns how many."""

    def erase_some_of(self, user_id: str, limit: int, *, but: str) -> int:
        """Delete up to `limit` deliveries about a user, but those of the event `but`; returns how many."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` expired deliveries; returns how many."""
