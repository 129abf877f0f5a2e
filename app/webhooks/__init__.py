"""Webhooks: posts to others what happens to users, signed, until it is accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from app.accounts.service import Accounts
from app.feature import Feature, Job, MailKind, Queue, Sealed, Tag
from app.security.bounded_calls import BoundedCalls
from app.security.egress import Egress
from app.security.secret_keys import SecretKeys
from app.sessions.live import LiveSessions
from app.webhooks import cli, controller
from app.webhooks.deliveries import DeliveryService, DeliveryWakes
from app.webhooks.dispatcher import AT_ONCE, Dispatcher
from app.webhooks.model import Deliveries, WebhookBooks
from app.webhooks.publisher import EVENT, EventPublisher
from app.webhooks.service import WRITE, WebhookService

if TYPE_CHECKING:
    from app.platform.container import Container


def _deliveries(parts: Container) -> DeliveryService:
    return DeliveryService(
        parts.get(WebhookBooks),
        parts.get(Deliveries),
        parts.get(Accounts),
        parts.get(LiveSessions),
        parts.get(SecretKeys),
        # With places of their own: slow receivers hold up nothing else.
        replace(parts.get(Egress), calls=BoundedCalls("webhooks", AT_ONCE)),
        parts.get(DeliveryWakes),
        parts.observer,
    )


def _webhooks(parts: Container) -> WebhookService:
    return WebhookService(
        parts.get(WebhookBooks),
        parts.get(DeliveryService),
        parts.get(Accounts),
        parts.get(SecretKeys),
        parts.get(Egress),
    )


FEATURE = Feature(
    tags=(
        Tag(
            "webhooks",
            "Where events are posted to.",
            (
                controller.webhooks,
                controller.create,
                controller.update,
                controller.delete,
                controller.rotate_secret,
                controller.test,
                controller.deliveries,
                controller.replay,
                controller.asyncapi,
            ),
        ),
    ),
    services={
        DeliveryWakes: lambda _: DeliveryWakes(),
        DeliveryService: _deliveries,
        WebhookService: _webhooks,
    },
    publishers=(lambda parts: EventPublisher(parts.get(WebhookBooks), parts.clock),),
    handlers={EVENT: lambda parts: parts.get(DeliveryService).told},
    threads=(lambda parts: Dispatcher(parts.get(DeliveryService)),),
    queues=(
        lambda parts: Queue(
            "latchkey_webhook_queue", "Deliveries to webhooks that wait.", parts.get(DeliveryService).waiting
        ),
    ),
    repositories=(WebhookBooks, Deliveries),
    erase=lambda parts: parts.get(DeliveryService).erase,
    reseals=lambda parts: parts.get(WebhookService).reseal,
    sealed=lambda parts: Sealed("secrets of webhooks", parts.get(WebhookService).secrets_wrapped_by),
    expires=(Deliveries,),
    jobs=(lambda parts: Job("webhooks", timedelta(minutes=1), parts.get(DeliveryService).tend),),
    mails=(MailKind("webhook_disabled", __name__),),
    permissions=frozenset({WRITE}),
    commands=(cli.webhooks,),
)
