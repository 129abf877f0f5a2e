"""The threads of a worker that post deliveries: few at once, so that no receiver holds up mail or other webhooks."""

from __future__ import annotations

from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Final

from app.jobs.under_way import UnderWay
from app.jobs.workers import outlived

if TYPE_CHECKING:
    from app.webhooks.deliveries import DeliveryService
    from app.webhooks.model import Webhook

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
        self._webhooks: UnderWay[Webhook] = UnderWay("webhooks")
        self._turn = 0
        self._is_stopped = False

    def start(self) -> None:
        """Start the thread that begins deliveries."""
        Thread(target=self._loop, name="webhooks", daemon=True).start()

    def stop(self) -> None:
        """Begin no more, and wait for a short time for those that are under way."""
        self._is_stopped = True
        self._service.wakes.set()
        self._webhooks.wait(_PATIENCE)

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
                    self._webhooks.begin(webhook, partial(self._service.attempt, claimed))

    def _places_of(self, webhook: Webhook) -> int:
        """How many deliveries to a webhook may begin now."""
        under_way = self._webhooks.items()
        own = sum(each.id == webhook.id for each in under_way)
        failing = sum(each.failing_since is not None for each in under_way)
        places = min(AT_ONCE - len(under_way), _OF_ONE - own)
        return max(places if webhook.failing_since is None else min(places, _OF_FAILING - failing), 0)
