"""JSON schemas that every client generator understands: plain objects, and no unions."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Union

from pydantic import Field, create_model
from pydantic.json_schema import GenerateJsonSchema, SkipJsonSchema

from app.web.view import View, is_none

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

_NEVER_NULL: Any = SkipJsonSchema.__class_getitem__(None)  # type: ignore[type-arg] # a class while running


class PlainSchemas(GenerateJsonSchema):
    """Generates these schemas for pydantic.

    A nullable value has two types instead of a union; an object that a request may leave out is just that object. There
    are no titles, since generators would name types after them. The fields of a reply are required, unless they may be
    left out (`exclude_if`).
    """

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - as pydantic has it
        """No field has a title."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A model without its title."""
        return {name: value for name, value in super().model_schema(schema).items() if name != "title"}

    def normalize_name(self, name: str) -> str:
        """The name of a model, `SuccessTokenPair` for `Success[TokenPair]`."""
        return super().normalize_name(name.replace("[", "").replace("]", ""))

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """A nullable value."""
        made = super().nullable_schema(schema)
        variants = made.get("anyOf", [])
        if len(variants) == 2 and isinstance(variants[0].get("type"), str):  # noqa: PLR2004 - it and null
            return {**variants[0], "type": [variants[0]["type"], "null"]}
        if self.mode == "validation" and variants and "$ref" in variants[0]:
            return {**variants[0]}
        return made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A value with a default. A default of None is not shown, since it only means that the value is absent."""
        made = super().default_schema(schema)
        return {name: value for name, value in made.items() if (name, value) != ("default", None)}

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: ANN401, FBT001 - as pydantic has it
        """Whether a field is always present."""
        if self.mode == "serialization":
            return "serialization_exclude_if" not in field
        return super().field_is_required(field, total)


@cache
def any_of(views: tuple[type[View], ...]) -> type[View]:
    """One view that stands for any of these in a schema. Fields that some of them lack are optional."""
    if len(views) == 1:
        return views[0]
    fields: dict[str, Any] = {}
    for view in views:
        for name, info in view.model_fields.items():
            told: dict[str, Any] = {"description": info.description, "examples": info.examples}
            if all(name in other.model_fields for other in views):
                fields[name] = (info.annotation, Field(**told))
            else:
                kind: Any = Union[info.annotation, _NEVER_NULL]  # noqa: UP007 - a type made while running
                fields[name] = (kind, Field(default=None, exclude_if=is_none, **told))
    description = " Or: ".join(view.__doc__ or "" for view in views)
    return create_model("Or".join(view.__name__ for view in views), __base__=View, __doc__=description, **fields)
