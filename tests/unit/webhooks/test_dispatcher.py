"""The threads that post: a receiver that does not answer holds up neither the others nor mail."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING

import pytest

from app.outbox.service import Outbox
from app.webhooks import deliveries
from app.webhooks.deliveries import DeliveryService
from app.webhooks.dispatcher import Dispatcher
from app.webhooks.service import NewWebhook, WebhookService
from tests.servers.receiving import Posted, receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.webhooks.model import Webhook
    from tests.unit.instance import Instance

PATIENCE = 60
"""Seconds: no test waits for it, a busy machine may need some."""


class Receiving:
    """A receiver with its webhook; it answers when it is let go, and says when a post arrived."""

    def __init__(self, instance: Instance, stack: ExitStack, *, slow: bool) -> None:
        self.receiver = stack.enter_context(receiving())
        self.arrived, self.answers = Event(), Event()
        if not slow:
            self.answers.set()
        self.receiver.answer = self._answer
        new = NewWebhook(self.receiver.url, ("user.created",))
        self.webhook: Webhook = instance.get(WebhookService).create(new, None, None).webhook

    def _answer(self, _: Posted) -> int:
        self.arrived.set()
        assert self.answers.wait(PATIENCE)
        return 204


@pytest.fixture
def instance(start: Callable[..., Instance]) -> Instance:
    return start(EGRESS_ALLOW="127.0.0.1")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_receiver_that_hangs_holds_up_no_other(instance: Instance, stack: ExitStack) -> None:
    hanging, other = Receiving(instance, stack, slow=True), Receiving(instance, stack, slow=False)
    for number in range(10):
        instance.register(f"user{number}")
    instance.get(Outbox).deliver_due()
    dispatcher = Dispatcher(instance.get(DeliveryService))
    dispatcher.start()
    store = instance.store.deliveries
    assert hanging.arrived.wait(PATIENCE)
    while store.waiting(other.webhook.id, 100):
        other.arrived.wait(0.01)
    assert store.waiting(hanging.webhook.id, 100) == 10
    hanging.answers.set()
    dispatcher.stop()


def test_few_posts_of_one_webhook_run_at_once_and_the_rest_follows(instance: Instance, stack: ExitStack) -> None:
    hanging = Receiving(instance, stack, slow=True)
    for number in range(5):
        instance.register(f"user{number}")
    instance.get(Outbox).deliver_due()
    dispatcher = Dispatcher(instance.get(DeliveryService))
    for _ in range(3):
        dispatcher.begin_due()
    claimed = [each.attempts for each in instance.store.deliveries.page_of(hanging.webhook.id, before=None, limit=9)]
    assert sum(claimed) == 2
    hanging.answers.set()
    dispatcher.start()
    while instance.store.deliveries.waiting(hanging.webhook.id, 100):
        hanging.arrived.wait(0.01)
    dispatcher.stop()


def test_what_a_worker_makes_goes_out_at_once(
    instance: Instance, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.webhooks.dispatcher.BEGIN_EVERY", 10 * PATIENCE)
    receiving_one = Receiving(instance, stack, slow=False)
    dispatcher = Dispatcher(instance.get(DeliveryService))
    dispatcher.start()
    instance.register()
    instance.get(Outbox).deliver_due()
    assert receiving_one.arrived.wait(PATIENCE)
    dispatcher.stop()


def test_a_stop_waits_for_what_is_under_way(instance: Instance, stack: ExitStack) -> None:
    receiving_one = Receiving(instance, stack, slow=True)
    instance.register()
    instance.get(Outbox).deliver_due()
    dispatcher = Dispatcher(instance.get(DeliveryService))
    dispatcher.begin_due()
    assert receiving_one.arrived.wait(PATIENCE)
    receiving_one.answers.set()
    dispatcher.stop()
    (delivery,) = instance.store.deliveries.page_of(receiving_one.webhook.id, before=None, limit=9)
    assert delivery.status == "delivered"


def test_a_receiver_that_answers_behind_the_deadline_has_failed(
    instance: Instance, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "ATTEMPT_SECONDS", 0.2)
    late = Receiving(instance, stack, slow=True)
    instance.register()
    instance.get(Outbox).deliver_due()
    instance.get(DeliveryService).deliver_due()
    late.answers.set()
    (delivery,) = instance.store.deliveries.page_of(late.webhook.id, before=None, limit=9)
    assert (delivery.status, delivery.response_status) == ("failed", None)
    assert delivery.error == "There was no whole reply within 0.2 seconds."
