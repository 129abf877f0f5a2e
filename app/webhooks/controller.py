"""Webhooks, for those who administer them."""

from __future__ import annotations

from app.accounts.principal import Principal
from app.platform.errors import Forbidden, InvalidRequest, NotFound, SessionEnded, ValidationFailed
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.guard import permission, public
from app.web.paging import Page
from app.web.result import File
from app.web.view import Nothing
from app.webhooks.asyncapi import document
from app.webhooks.inputs import CreateWebhook, UpdateWebhook
from app.webhooks.service import WRITE, NewWebhook, WebhookService
from app.webhooks.views import DeliveryData, DeliveryList, WebhookData, WebhookList, WebhookSecretData

_HOUR = 3_600
_ACCESS = permission(WRITE).by("session", "api_key")
_REFUSED = (Forbidden, SessionEnded)


@endpoint("GET /admin/webhooks", access=_ACCESS, operation="listWebhooks", query=Page, returns=WebhookList)
def webhooks(call: Call, page: Page) -> WebhookList:
    """All webhooks, the oldest first."""
    return WebhookList.of(call.get(WebhookService).listed(), after=page.cursor, limit=page.limit)


@endpoint(
    "POST /admin/webhooks",
    access=_ACCESS,
    operation="createWebhook",
    body=CreateWebhook,
    returns=WebhookSecretData,
    status=201,
    message="Webhook created",
    raises=(*_REFUSED, InvalidRequest, ValidationFailed),
)
def create(call: CallBy[Principal], body: CreateWebhook) -> WebhookSecretData:
    """Have events of all users posted to a URL, signed by Standard Webhooks. The secret is shown only now.

    The URL has to lead to a public address by https, unless `EGRESS_ALLOW` names it. That is checked now, and at each
    delivery. There are at most 50 webhooks.
    """
    new = NewWebhook(body.url, tuple(body.events), body.description)
    return WebhookSecretData.of(call.get(WebhookService).create(new, call.caller, call.device))


@endpoint(
    "PATCH /admin/webhooks/<webhook_id>",
    access=_ACCESS,
    operation="updateWebhook",
    body=UpdateWebhook,
    returns=WebhookData,
    raises=(*_REFUSED, NotFound, ValidationFailed),
)
def update(call: CallBy[Principal], body: UpdateWebhook, webhook_id: str) -> WebhookData:
    """Change a webhook. While it is disabled, nothing is delivered, and what happens meanwhile is not told later."""
    changes = body.model_dump(include=body.model_fields_set)
    if "events" in changes:
        changes["events"] = tuple(changes["events"])
    return WebhookData.of(call.get(WebhookService).change(webhook_id, changes, call.caller, call.device))


@endpoint(
    "DELETE /admin/webhooks/<webhook_id>",
    access=_ACCESS,
    operation="deleteWebhook",
    returns=Nothing,
    message="Webhook deleted",
    raises=(*_REFUSED, NotFound),
)
def delete(call: CallBy[Principal], webhook_id: str) -> Nothing:
    """Delete a webhook, and its deliveries."""
    call.get(WebhookService).delete(webhook_id, call.caller, call.device)
    return Nothing()


@endpoint(
    "POST /admin/webhooks/<webhook_id>/rotate-secret",
    access=_ACCESS,
    operation="rotateWebhookSecret",
    returns=WebhookSecretData,
    message="From now on both secrets sign, after a day the new one alone",
    raises=(*_REFUSED, NotFound),
)
def rotate_secret(call: CallBy[Principal], webhook_id: str) -> WebhookSecretData:
    """Replace the secret. Deliveries carry a signature by each of the two for a day, so receivers can follow."""
    return WebhookSecretData.of(call.get(WebhookService).rotate_secret(webhook_id, call.caller, call.device))


@endpoint(
    "POST /admin/webhooks/<webhook_id>/test",
    access=_ACCESS,
    operation="testWebhook",
    returns=DeliveryData,
    message="A test is on its way",
    raises=(*_REFUSED, NotFound),
)
def test(call: CallBy[Principal], webhook_id: str) -> DeliveryData:
    """Deliver an event `webhook.test`, also while the webhook is disabled.

    The list of deliveries shows what came of it.
    """
    return DeliveryData.of(call.get(WebhookService).test(webhook_id, call.caller))


@endpoint(
    "GET /admin/webhooks/<webhook_id>/deliveries",
    access=_ACCESS,
    operation="listWebhookDeliveries",
    query=Page,
    returns=DeliveryList,
    raises=(NotFound,),
)
def deliveries(call: Call, page: Page, webhook_id: str) -> DeliveryList:
    """The deliveries of a webhook, newest first: those that wait, and the last 50 of the others."""
    found = call.get(WebhookService).deliveries_of(webhook_id, before=page.cursor, limit=page.limit)
    return DeliveryList.of(found)


@endpoint(
    "POST /admin/webhooks/<webhook_id>/deliveries/<delivery_id>/replay",
    access=_ACCESS,
    operation="replayWebhookDelivery",
    returns=DeliveryData,
    message="The delivery is on its way again",
    raises=(*_REFUSED, NotFound, InvalidRequest),
)
def replay(call: CallBy[Principal], webhook_id: str, delivery_id: str) -> DeliveryData:
    """Deliver once more, whatever came of it before: with the same identifier, body and schedule of attempts."""
    return DeliveryData.of(call.get(WebhookService).replay(webhook_id, delivery_id, call.caller))


@endpoint("GET /asyncapi.json", access=public, operation="getAsyncApi", returns=File, cache=_HOUR, any_origin=True)
def asyncapi(call: Call) -> File:
    """The AsyncAPI 3.0 document of the events that webhooks are told."""
    return File(document(call.settings.mail.product_name), "application/json")
