"""The envelope of every reply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

if TYPE_CHECKING:
    from collections.abc import Iterator


class View(BaseModel):
    """Something as clients see it."""

    model_config = ConfigDict(frozen=True)


class Document(View):
    """A reply that stands as it is, without the envelope."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """A reply that is sent while it is made, so that nobody holds it whole: the JSON of a `view` in `parts`.

    When `parts` raises, the connection is closed without an end: neither HTTP nor JSON is whole then.
    """

    view: type[View]
    parts: Iterator[bytes]


class Nothing(View):
    """The data of a reply whose message says it all."""


DataT = TypeVar("DataT", bound=View)


def is_none(value: object) -> bool:
    """For `exclude_if`: a field that is left out when there is nothing to say, and never null."""
    return value is None


class Success(View, Generic[DataT]):
    """What every other reply that is not an error looks like."""

    status: Literal["success"] = "success"
    message: str | SkipJsonSchema[None] = Field(default=None, exclude_if=is_none, examples=["Logged out"])
    data: DataT


def envelope(message: str | None) -> tuple[bytes, bytes]:
    """What stands before and behind the data of a success: a whole reply is `Success`, made without a copy."""
    said = "" if message is None else f'"message":{json.dumps(message)},'
    return f'{{"status":"success",{said}"data":'.encode(), b"}"
