"""What all inputs share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from typing import LiteralString


class Body(BaseModel):
    """A JSON body: no field that is not named, no value of another type."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Query(BaseModel):
    """A query string: numbers come as text, and no parameter that is not named."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def wrong(code: LiteralString, message: LiteralString, **facts: object) -> PydanticCustomError:
    """A field breaks a rule: the `code` and the `message` (with `{facts}`) that the reply will give for it."""
    return PydanticCustomError(code, message, facts)
