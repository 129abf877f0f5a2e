"""`flask webhooks`: where events are posted to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from app.cli.common import as_json, failures_as_messages, say, wired
from app.platform.errors import NotFound
from app.platform.identifiers import is_identifier
from app.webhooks.service import WebhookService
from app.webhooks.views import DeliveryView, WebhookView

if TYPE_CHECKING:
    from app.webhooks.model import Delivery

webhooks = AppGroup("webhooks", help="Show, test and replay webhooks.")


@webhooks.command("list")
@as_json
def show(*, as_json: bool) -> None:
    """Show the webhooks: identifier, whether it is enabled, URL, events."""
    with failures_as_messages():
        found = wired().get(WebhookService).listed()
    for webhook in found:
        state = "enabled" if webhook.enabled else f"disabled ({webhook.disabled_for or 'by an administrator'})"
        line = f"{webhook.id}  {state}  {webhook.url}  {', '.join(webhook.events)}"
        say(WebhookView.of(webhook).model_dump(mode="json"), line, as_json=as_json)


@webhooks.command("test")
@click.argument("webhook")
@as_json
def test(webhook: str, *, as_json: bool) -> None:
    """Have a test posted to a webhook; the service does it within seconds."""
    with failures_as_messages():
        _say(wired().get(WebhookService).test(_identifier(webhook), None), as_json=as_json)


@webhooks.command("replay")
@click.argument("webhook")
@click.argument("delivery")
@as_json
def replay(webhook: str, delivery: str, *, as_json: bool) -> None:
    """Have a delivery posted once more; the service does it within seconds."""
    with failures_as_messages():
        replayed = wired().get(WebhookService).replay(_identifier(webhook), _identifier(delivery), None)
    _say(replayed, as_json=as_json)


def _say(delivery: Delivery, *, as_json: bool) -> None:
    facts: dict[str, Any] = DeliveryView.of(delivery).model_dump(mode="json")
    say(facts, f"{delivery.id}  {delivery.event}  {delivery.status}", as_json=as_json)


def _identifier(text: str) -> str:
    if not is_identifier(text):
        raise NotFound
    return text
