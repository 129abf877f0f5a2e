"""The bodies of requests about webhooks."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field

from app.security.egress_urls import read_url
from app.web.input import Body, wrong
from app.webhooks.events import EVENTS
from app.webhooks.model import ALL_EVENTS

_MOST: Final = 100
_EVENT: Final = re.compile(r"[a-z_]{1,32}\.[a-z_]{1,32}")


def _events(events: list[str]) -> list[str]:
    if events == [ALL_EVENTS]:
        return events
    for event in events:
        if not _EVENT.fullmatch(event):
            raise wrong(
                "invalid_event", 'An event is named like user.created; `["*"]`, and nothing beside it, stands for all.'
            )
        if event not in EVENTS:
            raise wrong("unknown_event", "There is no event {event}.", event=event)
    return list(dict.fromkeys(events))


def _description(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise wrong("invalid_description", "A description contains no control characters.")
    return text


def _url(url: str) -> str:
    # Where it leads is for the egress guard, which may have to ask for its addresses.
    try:
        read_url(url)
    except ValueError as error:
        raise wrong("refused_url", "The URL {reason}.", reason=str(error)) from None
    return url


def _without_defaults(schema: dict[str, Any]) -> None:
    for declared in schema["properties"].values():
        declared.pop("default", None)


Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        description="An https URL at a public address; others only as EGRESS_ALLOW says.",
        examples=["https://example.com/webhooks/latchkey"],
    ),
    AfterValidator(_url),
]
Events = Annotated[
    list[str],
    Field(
        min_length=1,
        max_length=_MOST,
        description='Names of events; `["*"]` stands for all, also those of later versions.',
        examples=[["user.created", "user.deleted"]],
    ),
    AfterValidator(_events),
]
Description = Annotated[
    str,
    Field(max_length=200, description="At most 200 characters in one line.", examples=["The shop"]),
    AfterValidator(_description),
]


class CreateWebhook(Body):
    """A new webhook."""

    url: Url
    events: Events
    description: Description | None = None


class UpdateWebhook(Body):
    """What shall change of a webhook. A field that is left out does not change."""

    # The defaults stand for "not given": what was given is in `model_fields_set`.
    model_config = ConfigDict(json_schema_extra=_without_defaults)

    url: Url = ""
    events: Events = Field(default_factory=list)
    description: Description | None = None
    enabled: bool = True
