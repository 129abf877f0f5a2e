"""Puts the events of a change into the outbox of its account, for the webhooks that want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.outbox.model import Entry
from app.platform.identifiers import derived_id, new_id, time_in
from app.webhooks.events import CAUSES, body, data_of

if TYPE_CHECKING:
    from app.accounts.publisher import Change
    from app.platform.clock import Clock
    from app.webhooks.model import WebhookBooks

EVENT: Final = "event"
"""The kind of the entries that tell webhooks of an event."""


@dataclass(frozen=True, slots=True)
class EventPublisher:
    """An `app.accounts.publisher.Publisher`. It reads the webhooks at each change that could concern them: one row."""

    books: WebhookBooks
    clock: Clock

    def wants(self, action: str) -> bool:
        cause = CAUSES.get(action)
        return cause is not None and any(
            webhook.enabled and any(map(webhook.wants, cause.events)) for webhook in self.books.load().webhooks
        )

    def entries(self, change: Change) -> tuple[Entry, ...]:
        # Of two actions that cause the same event, the first tells it.
        caused = [CAUSES[action] for action in reversed(change.actions) if action in CAUSES]
        causes = {event: cause for cause in caused for event in cause.events}
        if not causes:
            return ()
        enabled = [webhook for webhook in self.books.load().webhooks if webhook.enabled]
        now, entries = self.clock(), []
        for event, cause in causes.items():
            receivers = [webhook.id for webhook in enabled if webhook.wants(event)]
            data = data_of(event, cause, change) if receivers else None
            if data is None:
                continue
            payload = {"event": event, "at": int(now.timestamp() * 1000), "body": body(event, data, now)}
            payload["webhooks"] = receivers
            entry_id = new_id()
            if cause.scope == "one":
                # Stored before the session ends, by each of those that end it at once.
                payload["session"] = session = change.details["session_id"]
                entry_id = derived_id(time_in(session), f"{event} {session}")
            entries.append(Entry(entry_id, EVENT, payload, now))
        return tuple(entries)
