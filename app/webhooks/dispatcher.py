"""The threads of a worker that post deliveries: few at once, so that no receiver holds up mail or other webhooks."""

from __future__ import annotations

from threading import Condition, Thread
from typing import TYPE_CHECKING, Final

from app.jobs.workers import outlived

if TYPE_CHECKING:
    from app.webhooks.deliveries import DeliveryService
    from app.webhooks.model import Delivery, Webhook

BEGIN_EVERY: Final = 2
"""Seconds between checks for what other workers made, and for what is to be tried again."""
AT_ONCE: Final = 8
"""Deliveries that are posted at once."""
_OF_ONE: Final = 2
"""Of these, to one webhook."""
_OF_FAILING: Final = 4
"""Of these, to all webhooks whose last attempt failed: the others stay for those that answer."""
_PATIENCE: Final = 3
"""Seconds that `stop` waits for what is being posted; the rest is posted again by another worker."""


class Dispatcher:
    """Begins what is due: at once if this worker made it, else within BEGIN_EVERY. Each delivery is claimed first."""

    def __init__(self, service: DeliveryService) -> None:
        self._service = service
        self._changed = Condition()
        self._under_way: list[Webhook] = []
        self._turn = 0
        self._is_stopped = False

    def start(self) -> None:
        """Start the thread that begins deliveries."""
        Thread(target=self._loop, name="webhooks", daemon=True).start()

    def stop(self) -> None:
        """Begin no more, and wait for a short time for those that are under way."""
        with self._changed:
            self._is_stopped = True
            self._service.wakes.set()
            self._changed.wait_for(lambda: not self._under_way, _PATIENCE)

    def _loop(self) -> None:
        while True:
            self._service.wakes.wait(BEGIN_EVERY)
            self._service.wakes.clear()
            if self._is_stopped:
                return
            with outlived("webhooks"):
                self.begin_due()

    def begin_due(self) -> None:
        """Begin to post what is due, as far as there are places. Raises Unavailable."""
        webhooks = self._service.books.load().webhooks
        # Each time another webhook comes first.
        self._turn += 1
        start = self._turn % max(len(webhooks), 1)
        for webhook in (*webhooks[start:], *webhooks[:start]):
            places = self._places_of(webhook)
            for delivery in self._service.due(webhook, places) if places else ():
                if (claimed := self._service.claim(delivery)) is not None:
                    self._begin(webhook, claimed)

    def _places_of(self, webhook: Webhook) -> int:
        """How many deliveries to a webhook may begin now."""
        with self._changed:
            own = sum(each.id == webhook.id for each in self._under_way)
            failing = sum(each.failing_since is not None for each in self._under_way)
            places = min(AT_ONCE - len(self._under_way), _OF_ONE - own)
            return max(places if webhook.failing_since is None else min(places, _OF_FAILING - failing), 0)

    def _begin(self, webhook: Webhook, claimed: Delivery) -> None:
        def post() -> None:
            try:
                with outlived("webhooks"):
                    self._service.attempt(claimed)
            finally:
                self._end(webhook)

        with self._changed:
            self._under_way.append(webhook)
        try:
            Thread(target=post, name="webhook", daemon=True).start()
        except RuntimeError:  # the system gives no more threads: the claim ends by itself
            self._end(webhook)
            raise

    def _end(self, webhook: Webhook) -> None:
        with self._changed:
            self._under_way.remove(webhook)
            self._changed.notify_all()
        self._service.wakes.set()  # there may be more to do for this place
