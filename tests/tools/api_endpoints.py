"""docs/api_endpoints.md, made from the OpenAPI document.

`python -m tests.tools.api_endpoints` renews it in the current directory; `tests/house` holds it to the document.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypeAlias

from app import __version__
from app.features import ENDPOINTS, TAGS
from app.platform.errors import CATALOGUE, Failure
from app.web.openapi import Specification

Schema: TypeAlias = dict[str, Any]

GUIDE = Path("docs/api_endpoints.md")
PUBLIC_URL = "http://localhost:5000"

_INTRODUCTION = f"""\
# API endpoints

Made from the OpenAPI document by `python -m tests.tools.api_endpoints`; do not edit it by hand. A running service has
the document itself at `{PUBLIC_URL}/openapi.json`, and at `{PUBLIC_URL}/swagger/` a page to try it out.

- Requests and replies are JSON in UTF-8. A success is `{{"status": "success", "data": ...}}`, sometimes with a
  `message`; the signs of life and the key set stand without this envelope.
- A failure has the form shown under [Errors](#errors). All wrong fields are reported at once. A field of a body, or a
  parameter where an endpoint takes a query, that is not named here is refused by name.
- The access token goes into `Authorization: Bearer <token>`, or into `x-access-token`. In a query string it is ignored.
- Every reply carries `X-Request-ID`, the name of the exchange in the log. A 401 carries `WWW-Authenticate`, a 405
  `Allow`, a 429 and a 503 `Retry-After` in seconds.
- `HEAD` answers as `GET` does, without the body; `OPTIONS` answers 204 with `Allow`.
- Times are RFC 3339 in UTC. Identifiers are opaque.
"""
_TOKENS = {"session": "access token", "impersonation": "impersonation", "api_key": "API key"}
"""What each kind of caller presents."""
_ANYWHERE = ("not_found", "method_not_allowed", "internal_error")
"""Failures that belong to no endpoint."""


def guide() -> str:
    """The text of docs/api_endpoints.md."""
    document = json.loads(Specification(ENDPOINTS, TAGS, PUBLIC_URL, __version__).json())
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = document["components"]["schemas"]
    lines = [_INTRODUCTION, *_contents(operations), "## Endpoints"]
    for title, operation in operations:
        lines += _endpoint(title, operation, schemas)
    return "\n".join([*lines, *_errors(schemas)]) + "\n"


def anchor(heading: str) -> str:
    """The fragment of a link to a heading, by GitHub's rule."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _contents(operations: list[tuple[str, Schema]]) -> list[str]:
    rows = (
        f"| [{_escaped(title)}](#{anchor(title)}) | {_access(operation)} | {_escaped(operation['summary'])} |"
        for title, operation in operations
    )
    return ["| endpoint | access | what it does |", "|---|---|---|", *rows, ""]


def _endpoint(title: str, operation: Schema, schemas: Schema) -> list[str]:
    lines = ["", f"### {_escaped(title)}", "", operation["summary"], ""]
    if operation["description"]:
        lines += [operation["description"], ""]
    lines += [f"Access: {_access(operation)}.", ""]
    for place, name in (("path", "Path"), ("query", "Query")):
        given = [parameter for parameter in operation.get("parameters", []) if parameter["in"] == place]
        fields = {parameter["name"]: {**parameter["schema"], **_told(parameter)} for parameter in given}
        required = [parameter["name"] for parameter in given if parameter["required"]]
        lines += _fields(name, fields, required)
    if "requestBody" in operation:
        body = _resolved(operation["requestBody"]["content"]["application/json"]["schema"], schemas)
        lines += _fields("Body (`application/json`)", body["properties"], body.get("required", []))
    for status, response in operation["responses"].items():
        if int(status) < 400:
            lines += _reply(status, response, schemas)
    failures = [
        f"| {status} | [`{code}`](#{anchor(code)}) | {CATALOGUE[code].message} |"
        for status, response in operation["responses"].items()
        for code in re.findall(r"^`(\w+)`: ", response["description"], re.MULTILINE)
    ]
    if failures:
        lines += ["Errors:", "", "| status | code | message |", "|---|---|---|", *failures, ""]
    return lines[:-1]


def _told(parameter: Schema) -> Schema:
    return {"description": parameter["description"]} if "description" in parameter else {}


def _access(operation: Schema) -> str:
    if "x-callers" not in operation:
        return "public"
    return ", ".join(_TOKENS[kind] for kind in operation["x-callers"])


def _fields(title: str, fields: Schema, required: list[str]) -> list[str]:
    if not fields:
        return []
    rows = (
        f"| `{name}` | {_type(schema)}, {'required' if name in required else 'optional'} | {_rules(schema)} |"
        for name, schema in fields.items()
    )
    return [f"{title}:", "", "| field | type | rules |", "|---|---|---|", *rows, ""]


def _reply(status: str, response: Schema, schemas: Schema) -> list[str]:
    if "content" not in response:
        return [f"Reply {status}, without a body. {response['description']}", ""]
    ((media_type, content),) = response["content"].items()
    if "$ref" not in content["schema"]:  # a file
        return [f"Reply {status}, `{media_type}`.", ""]
    lines = [f"Reply {status}, `{media_type}`:", ""]
    said = None if response["description"] == "Success." else response["description"]
    example = {
        name: said if name == "message" and said else value
        for name, value in _example(content["schema"], schemas).items()
        if said or name in _resolved(content["schema"], schemas).get("required", ())
    }
    return [*lines, "```json", json.dumps(example, indent=2), "```", ""]


def _example(schema: Schema, schemas: Schema) -> Any:
    """A value of this schema, made of its examples."""
    schema = _resolved(schema, schemas)
    if schema.get("examples"):
        return schema["examples"][0]
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    if {"type": "null"} in schema.get("anyOf", ()) or "null" in schema["type"]:
        return None
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        return {name: _example(inner, schemas) for name, inner in schema["properties"].items()}
    if schema["type"] == "array":
        return [_example(schema["items"], schemas)]
    raise ValueError(f"give this an example in its view: {schema}")


def _errors(schemas: Schema) -> list[str]:
    example = _example({"$ref": "#/components/schemas/Problem"}, schemas)
    lines = [
        "", "## Errors", "",
        "A failure is a JSON document of this form; `errors` is there only where fields are wrong.", "",
        "```json", json.dumps(example, indent=2), "```", "",
        "With `Accept: application/problem+json` the same facts come as RFC 9457.",
        "`help` is a page of the service itself, which says what stands here, too.", "",
        f"{', '.join(f'[`{code}`](#{code})' for code in _ANYWHERE)} can come from anywhere.",
    ]  # fmt: skip
    for failure in CATALOGUE.values():
        lines += _error(failure)
    return lines


def _error(failure: type[Failure]) -> list[str]:
    return ["", f"### {failure.code}", "", f"{failure.status}. {failure.meaning}", "", failure.remedy]


def _resolved(schema: Schema, schemas: Schema) -> Schema:
    """A schema without a reference at its top, and what stands beside the reference."""
    if "$ref" not in schema:
        return schema
    resolved: Schema = schemas[schema["$ref"].rpartition("/")[2]]
    return resolved


def _type(schema: Schema) -> str:
    """What a value of a request is, beside null."""
    if "$ref" in schema:
        return "object"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(kind for kind in kinds if kind != "null")


def _rules(schema: Schema) -> str:
    rules = []
    least, most = schema.get("minLength"), schema.get("maxLength")
    if least is not None and most is not None and "description" not in schema:  # which tells the lengths
        rules.append(f"{least} to {most} characters.")
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        rules.append(f"{least:,} to {most:,}.")
    if "enum" in schema:
        rules.append(f"One of {', '.join(map(str, schema['enum']))}.")
    if schema.get("default") is not None:
        rules.append(f"Default: {schema['default']}.")
    if "description" in schema:
        rules.append(schema["description"])
    return _escaped(" ".join(rules))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    GUIDE.write_text(guide(), encoding="utf-8")
