"""Schemas are plain objects, which every program that makes clients reads in the same way."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.web.schemas import PlainSchemas, any_of
from app.web.view import Success, View, is_none


class Whole(View):
    """All of it."""

    name: str | None = Field(examples=["Ann"])
    token: str = Field(description="A token.")


class Part(View):
    """Some of it."""

    name: str | None = Field(examples=["Ann"])


class Sparse(View):
    """At times less."""

    note: str | None = Field(default=None, exclude_if=is_none)
    kind: str = "a"


def schema(model: type[View]) -> dict[str, Any]:
    return model.model_json_schema(mode="serialization", schema_generator=PlainSchemas)


def test_what_may_be_null_has_two_types_and_nothing_has_a_title() -> None:
    assert schema(Whole) == {
        "description": "All of it.",
        "type": "object",
        "properties": {
            "name": {"type": ["string", "null"], "examples": ["Ann"]},
            "token": {"type": "string", "description": "A token."},
        },
        "required": ["name", "token"],
    }


def test_what_a_reply_may_leave_out_is_not_required_and_what_has_a_default_is() -> None:
    made = schema(Sparse)
    assert made["required"] == ["kind"]
    assert "default" not in made["properties"]["note"]


def test_one_object_stands_for_two_and_may_lack_what_one_of_them_lacks() -> None:
    either = any_of((Whole, Part))
    made = schema(either)
    assert either.__name__ == "WholeOrPart"
    assert made["required"] == ["name"]
    assert made["properties"] == schema(Whole)["properties"]
    assert made["description"] == "All of it. Or: Some of it."
    assert any_of((Part,)) is Part


def test_an_envelope_is_named_after_what_it_holds() -> None:
    assert PlainSchemas().normalize_name(Success[Whole].__name__) == "SuccessWhole"
