"""Delivers events: makes a delivery for each webhook, posts it until it is accepted, and says when to give up.

A worker claims a delivery by a conditional write that postpones it. If the worker dies, another posts it again, under
the same identifier: so each delivery arrives at least once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from threading import Event
from typing import TYPE_CHECKING, Final

import structlog

from app.platform import pieces
from app.platform.errors import InvalidRequest, NotFound, SessionEnded
from app.platform.identifiers import derived_id, new_id
from app.security.egress import EgressError, EgressRefusedError
from app.security.secret_keys import SealedError
from app.webhooks.book import change_webhook
from app.webhooks.events import DELETED, TEST, UserId, WebhookTest, body
from app.webhooks.model import Delivery
from app.webhooks.signing import signed_headers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.service import Accounts
    from app.outbox.model import Entry
    from app.platform.instrumentation import DeliveryOutcome, Observer
    from app.security.egress import Egress
    from app.security.secret_keys import SecretKeys
    from app.sessions.live import LiveSessions
    from app.webhooks.model import Deliveries, Webhook, WebhookBooks

RETRIES: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""How long to wait after each attempt that failed; then the delivery is dead. The schedule of Standard Webhooks."""
ATTEMPT_SECONDS: Final = 15.0
"""How long a receiver may take to answer."""
CLAIMED_FOR: Final = timedelta(minutes=1)
"""How long a worker may take for an attempt; then another takes over."""
DISABLED_AFTER: Final = timedelta(days=5)
"""A webhook whose attempts have failed for so long is disabled."""
KEPT: Final = 50
"""Deliveries of a webhook that are kept when they wait for nothing more."""
KEPT_FOR: Final = timedelta(days=30)
_MOST_BYTES: Final = 256 * 1024
"""Of a reply, which nobody reads."""
_LONGEST_ERROR: Final = 200
_SOON: Final = timedelta(seconds=5)
_TRIES_FOR_SESSION: Final = 12
"""A session whose end was announced has ended by the last of them, or its end has failed."""
_BROKEN_OFF: Final = "The attempt was broken off."
_COUNTED: Final = 1000
_log = structlog.get_logger("latchkey.webhooks")


class DeliveryWakes(Event):
    """Set when a delivery was made, so that the dispatcher of this worker starts at once."""


@dataclass(frozen=True, slots=True)
class DeliveryService:
    """Makes deliveries, and makes the attempts that are due."""

    books: WebhookBooks
    deliveries: Deliveries
    accounts: Accounts
    sessions: LiveSessions
    secrets: SecretKeys
    egress: Egress
    wakes: DeliveryWakes
    observer: Observer

    def told(self, account: Account, entry: Entry) -> datetime | None:
        """Make a delivery of an event for each webhook that wanted it; gives when to try again. Handles EVENT.

        Of a deleted user, nothing is told but the deletion.
        """
        found, user = entry.payload, account.user
        event, session = found["event"], found.get("session")
        if user.status == "deleted" and event != DELETED:
            return None
        if session is not None and self.sessions.principal(session, user.id) is not None:
            # Its end is under way, or failed.
            return self._now() + _SOON if entry.attempts < _TRIES_FOR_SESSION else None
        enabled = {webhook.id for webhook in self.books.load().webhooks if webhook.enabled}
        receivers = [webhook_id for webhook_id in found["webhooks"] if webhook_id in enabled]
        made = [
            self._delivery(derived_id(found["at"], f"{entry.id} {to}"), to, event, found["body"], user.id)
            for to in receivers
        ]
        for delivery in made:
            self.deliveries.add(delivery)
        # Look at the user after the write: the erasure of a deleted user either finds the deliveries, or has marked the
        # user by now.
        if made and event != DELETED and self._is_deleted(user.id):
            for delivery in made:
                self.deliveries.remove(delivery.id)
        self.wakes.set()
        return None

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete what is told of a user who is deleted, but their deletion, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.deliveries.erase_some_of(user_id, limit, but=DELETED))

    def test(self, webhook: Webhook) -> Delivery:
        """Make a delivery that tells nothing, also while the webhook is disabled."""
        data = WebhookTest(webhook=UserId(id=webhook.id)).model_dump()
        delivery = self._delivery(new_id(), webhook.id, TEST.name, body(TEST.name, data, self._now()), None)
        self.deliveries.add(delivery)
        self.wakes.set()
        return delivery

    def replay(self, webhook: Webhook, delivery_id: str) -> Delivery:
        """Deliver once more, under the same identifier, whatever came of it; the attempts begin anew.

        Raises NotFound; InvalidRequest while the webhook is disabled.
        """
        if not webhook.enabled:
            raise InvalidRequest("The webhook is disabled: enable it first.")
        while (seen := self.deliveries.get(delivery_id)) is not None and seen.webhook_id == webhook.id:
            now = self._now()
            anew = replace(
                seen, status="pending", attempts=0, next_attempt_at=now, expires_at=now + KEPT_FOR, error=None
            )
            if self.deliveries.replace(seen, anew):
                self.wakes.set()
                return anew
        raise NotFound

    def due(self, webhook: Webhook, limit: int) -> list[Delivery]:
        """Up to `limit` deliveries of a webhook that are due."""
        return self.deliveries.due(webhook.id, self._now(), limit)

    def claim(self, delivery: Delivery) -> Delivery | None:
        """The delivery as this worker has claimed it; None if another was faster."""
        # Counted before it is made: one that ends its worker each time comes to an end, too.
        claimed = replace(
            delivery, attempts=delivery.attempts + 1, next_attempt_at=self._now() + CLAIMED_FOR, error=_BROKEN_OFF
        )
        return claimed if self.deliveries.replace(delivery, claimed) else None

    def attempt(self, claimed: Delivery) -> None:
        """Post a claimed delivery, and store what came of it."""
        webhook = self.books.load().find(claimed.webhook_id)  # as it is now: its URL, its secrets
        if webhook is None:
            self.deliveries.remove(claimed.id)
            return
        if not webhook.enabled and claimed.event != TEST.name:
            self._settle(claimed, None, "The webhook is disabled.", dead=True)
            return
        if claimed.attempts > len(RETRIES) + 1:  # the worker died in the last attempt
            self._settle(claimed, None, _BROKEN_OFF, dead=True)
            return
        status, error = self._post(webhook, claimed)
        gone = status == HTTPStatus.GONE
        self._settle(claimed, status, error, dead=gone or claimed.attempts > len(RETRIES))
        with suppress(NotFound):
            if error is None:
                self._note_success(webhook)
            else:
                self._note_failure(webhook, gone=gone)

    def deliver_due(self) -> int:
        """Make all attempts that are due, one after the other; returns how many."""
        made = 0
        for webhook in self.books.load().webhooks:
            while due := self.due(webhook, pieces.AT_ONCE):
                for delivery in due:
                    if (claimed := self.claim(delivery)) is not None:
                        self.attempt(claimed)
                        made += 1
        return made

    def waiting(self) -> int:
        """How many deliveries wait for an attempt, of which up to 1,000 are counted. Raises Unavailable."""
        left = _COUNTED
        for webhook in self.books.load().webhooks:
            left -= self.deliveries.waiting(webhook.id, left) if left else 0
        return _COUNTED - left

    def tend(self) -> int:
        """Drop old deliveries, and tell the owners of webhooks that were disabled; returns how much was done."""
        done = 0
        for webhook in self.books.load().webhooks:
            while (pruned := self.deliveries.prune(webhook.id, KEPT)) == pieces.AT_ONCE:
                done += pruned
            done += pruned
            if webhook.untold:
                self._tell_owner(webhook)
                done += 1
        return done

    def _delivery(self, delivery_id: str, webhook_id: str, event: str, text: str, user_id: str | None) -> Delivery:
        now = self._now()
        return Delivery(delivery_id, webhook_id, event, text, now, now, now + KEPT_FOR, user_id)

    def _is_deleted(self, user_id: str) -> bool:
        account = self.accounts.users.account(user_id)
        return account is None or account.user.status == "deleted"

    def _post(self, webhook: Webhook, delivery: Delivery) -> tuple[int | None, str | None]:
        """The status of the reply, if there is one, and why the attempt failed, if it did."""
        try:
            headers = signed_headers(webhook, delivery.id, delivery.body, self._now(), self.secrets)
            with self.observer.working("webhook post"):
                reply = self.egress.request(
                    "POST",
                    webhook.url,
                    body=delivery.body.encode(),
                    headers=headers,
                    seconds=ATTEMPT_SECONDS,
                    most_bytes=_MOST_BYTES,
                )
        except SealedError as error:
            _log.error("webhook cannot be signed", webhook=webhook.id, cause=str(error))
            return None, "No SECRET_KEY opens the signing secret: rotate it."
        except EgressRefusedError as error:
            return None, f"The URL {error}."
        except EgressError as error:
            said = str(error)
            return None, f"{said[:1].upper()}{said[1:]}."[:_LONGEST_ERROR]
        if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            return reply.status, None
        return reply.status, "The receiver did not answer with a status from 200 to 299."

    def _settle(self, claimed: Delivery, status: int | None, error: str | None, *, dead: bool) -> None:
        outcome: DeliveryOutcome = "delivered" if error is None else "dead" if dead else "failed"
        again_at = self._now() + RETRIES[claimed.attempts - 1] if outcome == "failed" else None
        settled = replace(claimed, status=outcome, next_attempt_at=again_at, response_status=status, error=error)
        self.observer.webhook_tried(outcome)
        if not self.deliveries.replace(claimed, settled):
            return  # replayed, or deleted meanwhile; or this took so long that another worker has claimed it
        told = {"webhook": claimed.webhook_id, "delivery": claimed.id, "status": status, "attempts": claimed.attempts}
        if outcome == "delivered":
            _log.info("webhook delivered", **told)
        else:
            _log.warning("webhook failed", outcome=outcome, cause=error, again_at=str(again_at), **told)

    def _note_success(self, webhook: Webhook) -> None:
        if webhook.failing_since is not None:
            change_webhook(self.books, webhook.id, lambda found: replace(found, failing_since=None))

    def _note_failure(self, webhook: Webhook, *, gone: bool) -> None:
        now = self._now()

        def failed(found: Webhook) -> Webhook:
            since = found.failing_since or now
            if found.enabled and found.url == webhook.url and (gone or now - since >= DISABLED_AFTER):
                reason = "gone" if gone else "failing"
                return replace(found, failing_since=since, enabled=False, disabled_for=reason, untold=True)
            return replace(found, failing_since=since)

        if gone or webhook.failing_since is None or now - webhook.failing_since >= DISABLED_AFTER:
            change_webhook(self.books, webhook.id, failed)

    def _tell_owner(self, webhook: Webhook) -> None:
        """Record and mail that a webhook was disabled."""

        def told(account: Account) -> Account:
            user = account.user
            to = user.email if user.email_verified else None
            return self.accounts.with_notice(account, "webhook_disabled", to, webhook=webhook.url.partition("?")[0])

        _log.warning("webhook disabled", webhook=webhook.id, cause=webhook.disabled_for)
        if webhook.owner_id is not None:
            with suppress(SessionEnded):  # they are gone
                self.accounts.change(
                    webhook.owner_id, told, actions=["webhook.disabled"], details={"webhook": webhook.id}
                )
        with suppress(NotFound):
            change_webhook(self.books, webhook.id, lambda found: replace(found, untold=False))

    def _now(self) -> datetime:
        return self.accounts.clock()
