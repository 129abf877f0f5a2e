"""Webhooks and their deliveries as JSON."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING

from pydantic import Field

from app.web.cursors import cursor_behind
from app.web.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.webhooks.model import Delivery, Webhook
    from app.webhooks.service import DeliveryPage, WithSecret


class WebhookView(View):
    """A webhook."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    url: str = Field(examples=["https://example.com/webhooks/latchkey"])
    events: list[str] = Field(examples=[["user.created", "user.deleted"]])
    description: str | None = Field(examples=["The shop"])
    enabled: bool = Field(examples=[True])
    disabled_for: str | None = Field(
        description="Why the service disabled it: `gone`, its server answered 410; `failing`, for five days.",
        examples=[None],
    )
    failing_since: datetime | None = Field(
        description="When its deliveries began to fail, if the last one did.", examples=[None]
    )
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookView:
        """The view of a webhook."""
        return cls(
            id=webhook.id,
            url=webhook.url,
            events=list(webhook.events),
            description=webhook.description,
            enabled=webhook.enabled,
            disabled_for=webhook.disabled_for,
            failing_since=webhook.failing_since,
            created_at=webhook.created_at,
        )


class WebhookData(View):
    """One webhook."""

    webhook: WebhookView

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookData:
        """The data of a reply about one webhook."""
        return cls(webhook=WebhookView.of(webhook))


class WebhookSecretData(View):
    """One webhook, and its signing secret."""

    webhook: WebhookView
    secret: str = Field(
        description="What receivers verify signatures with. It is not shown again.", examples=["whsec_C2FVsBQIhrscChlQ"]
    )

    @classmethod
    def of(cls, made: WithSecret) -> WebhookSecretData:
        """The data of a reply with a new secret."""
        return cls(webhook=WebhookView.of(made.webhook), secret=made.secret)


class WebhookList(View):
    """A page of the webhooks."""

    webhooks: list[WebhookView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, webhooks: Sequence[Webhook], *, after: str | None, limit: int) -> WebhookList:
        """The data of a reply with those after the identifier `after`."""
        behind = [webhook for webhook in webhooks if after is None or webhook.id > after]
        page = [WebhookView.of(webhook) for webhook in behind[:limit]]
        return cls(webhooks=page, next=cursor_behind(page[-1].id) if len(behind) > limit else None)


class DeliveryView(View):
    """A delivery of an event to a webhook."""

    id: str = Field(
        description="The same in each attempt: the header `webhook-id`.",
        examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7d"],
    )
    event: str = Field(examples=["user.created"])
    status: str = Field(
        description="`pending`: not tried yet. `failed`: tried again at `next_attempt_at`. `delivered`, or `dead`.",
        examples=["delivered"],
    )
    attempts: int = Field(examples=[1])
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    next_attempt_at: datetime | None = Field(examples=[None])
    response_status: int | None = Field(description="Of the last reply.", examples=[204])
    error: str | None = Field(description="Why the last attempt failed.", examples=[None])

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryView:
        """The view of a delivery."""
        return cls(
            id=delivery.id,
            event=delivery.event,
            status=delivery.status,
            attempts=delivery.attempts,
            created_at=delivery.created_at,
            next_attempt_at=delivery.next_attempt_at,
            response_status=delivery.response_status,
            error=delivery.error,
        )


class DeliveryData(View):
    """One delivery."""

    delivery: DeliveryView

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryData:
        """The data of a reply about one delivery."""
        return cls(delivery=DeliveryView.of(delivery))


class DeliveryList(View):
    """A page of the deliveries of a webhook."""

    deliveries: list[DeliveryView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, page: DeliveryPage) -> DeliveryList:
        """The data of a reply with some deliveries."""
        return cls(
            deliveries=[DeliveryView.of(delivery) for delivery in page.deliveries], next=cursor_behind(page.next)
        )
