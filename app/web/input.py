"""The base of all inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from typing import LiteralString


class Body(BaseModel):
    """A JSON body: unknown fields and values of another type are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Query(BaseModel):
    """A query string: numbers come as text, and unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def wrong(code: LiteralString, message: LiteralString, **facts: object) -> PydanticCustomError:
    """The error of a field that breaks a rule: the `code` and the `message` (with `{facts}`) for the reply."""
    return PydanticCustomError(code, message, facts)
