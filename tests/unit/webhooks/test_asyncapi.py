"""The AsyncAPI document is one, and says of each event what is posted."""

from __future__ import annotations

import json
import lzma
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from app.accounts.publisher import Change
from app.webhooks.asyncapi import document
from app.webhooks.events import CAUSES, EVENTS, data_of
from tests.unit.webhooks.test_events import ANN

SCHEMA = Path(__file__).parent / "asyncapi-3.0.0.json.xz"
"""schemas/3.0.0-without-$id.json of the npm package @asyncapi/specs 6.11.1 (Apache-2.0), without white space."""


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document("Latchkey"))
    return found


def test_it_is_valid_by_the_schema_of_asyncapi(described: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(json.loads(lzma.decompress(SCHEMA.read_bytes()))).validate(described)


@pytest.mark.parametrize("action", CAUSES)
def test_what_is_posted_is_what_it_describes(described: dict[str, Any], action: str) -> None:
    cause = CAUSES[action]
    after = replace(ANN.in_new_epoch(keep="s"), user=replace(ANN.user, name=None, email=None, roles=()))
    details = {"session_id": "s", "key": "k"}
    for event in cause.events:
        data = data_of(event, cause, Change([action], ANN.with_user(status="deleted"), after, None, details))
        if data is None:
            continue
        name = EVENTS[event].data.__name__
        schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        jsonschema.Draft7Validator(schema).validate(data)
        assert data.keys() <= described["components"]["schemas"][name]["properties"].keys()


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    references: set[str] = set()

    def look(found: object) -> None:
        if isinstance(found, dict):
            references.update({found["$ref"]} if isinstance(found.get("$ref"), str) else ())
            for inner in found.values():
                look(inner)
        elif isinstance(found, list):
            for inner in found:
                look(inner)

    look(described)
    assert references
    for reference in references:
        found: Any = described
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
