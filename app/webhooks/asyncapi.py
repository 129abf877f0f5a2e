"""The AsyncAPI 3.0 document of the events that webhooks are told, made from their declarations."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from app.platform.version import __version__
from app.webhooks.events import EVENTS, TEST

if TYPE_CHECKING:
    from app.webhooks.events import EventType

_HEADERS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {"type": "string", "description": "Names the delivery: the same in each attempt."},
        "webhook-timestamp": {"type": "string", "description": "When this attempt was made, in seconds since 1970."},
        "webhook-signature": {
            "type": "string",
            "description": "`v1,` and the base64 of an HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`;"
            " during a rotation two of them, separated by a space.",
        },
    },
}


@cache
def document(product: str) -> bytes:
    """The document as JSON; `product` is the name of the service."""
    told = (*EVENTS.values(), TEST)
    _, schemas = models_json_schema(
        [(event.data, "serialization") for event in told], ref_template="#/components/schemas/{model}"
    )
    messages = {event.name: {"$ref": f"#/components/messages/{event.name}"} for event in told}
    return json.dumps(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": f"{product} webhooks",
                "version": __version__,
                "description": "Events, posted to the webhooks that subscribe to them and signed by Standard Webhooks"
                " (standardwebhooks.com). Each arrives at least once, in no certain order.",
            },
            "defaultContentType": "application/json",
            "channels": {
                "webhook": {
                    "address": None,
                    "description": "The URL of a webhook. A status from 200 to 299 accepts an event; 410 ends the"
                    " webhook.",
                    "messages": messages,
                }
            },
            "operations": {
                "post": {
                    "action": "send",
                    "channel": {"$ref": "#/channels/webhook"},
                    "messages": [{"$ref": f"#/channels/webhook/messages/{event.name}"} for event in told],
                }
            },
            "components": {
                "messages": {event.name: _message(event) for event in told},
                "schemas": schemas["$defs"],
            },
        }
    ).encode()


def _message(event: EventType) -> dict[str, Any]:
    return {
        "name": event.name,
        "summary": event.text,
        "headers": _HEADERS,
        "payload": {
            "type": "object",
            "required": ["type", "timestamp", "data"],
            "properties": {
                "type": {"const": event.name},
                "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
                "data": {"$ref": f"#/components/schemas/{event.data.__name__}"},
            },
        },
    }
