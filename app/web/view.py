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
    """An object as clients see it."""

    model_config = ConfigDict(frozen=True)


class BareView(View):
    """A reply without the envelope."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """A reply that is sent while it is made, so that it is never whole in memory: the JSON of a `view` in `parts`.

    When `parts` raises, the connection is closed early, so that both the HTTP reply and the JSON are incomplete.
    """

    view: type[View]
    parts: Iterator[bytes]


class Nothing(View):
    """The data of a reply whose message says it all."""


DataT = TypeVar("DataT", bound=View)


def is_none(value: object) -> bool:
    """For `exclude_if`: leaves a field out instead of sending null."""
    return value is None


class Success(View, Generic[DataT]):
    """A success."""

    status: Literal["success"] = "success"
    message: str | SkipJsonSchema[None] = Field(default=None, exclude_if=is_none, examples=["Logged out"])
    data: DataT


def envelope(message: str | None) -> tuple[bytes, bytes]:
    """The bytes before and after the data of a success, so that a reply in the shape of `Success` needs no copy."""
    said = "" if message is None else f'"message":{json.dumps(message)},'
    return f'{{"status":"success",{said}"data":'.encode(), b"}"
