"""The OpenAPI 3.1 document, made from the declarations of the endpoints, so that it cannot drift from them.

Client generators read it, too, so it uses only what all of them understand: plain objects, no unions, one error schema.
Rules that this cannot express are in the descriptions.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from app.web.body import may_be_left_out
from app.web.limits import LIMITS
from app.web.links import links_of
from app.web.problem_views import Problem
from app.web.result import Cookie, File, Header
from app.web.schemas import PlainSchemas, any_of
from app.web.view import BareView, Success, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaMode

    from app.platform.errors import Failure
    from app.web.caller import CallerKind
    from app.web.endpoint import Endpoint, Outcome

_DESCRIPTION = """\
Registration, login and authentication.

- Requests and replies are JSON in UTF-8. A success is `{"status": "success", "data": ...}`, often with a `message`.
- A failure is a `Problem`: act on its `code`, show its `message`, and follow `help` to an explanation. With
  `Accept: application/problem+json` the same information has the form of RFC 9457.
- Send the access token in `Authorization: Bearer <token>`, or in `x-access-token`. It lives for minutes:
  `POST /auth/refresh` exchanges the refresh token for a new pair.
- Lists come in pages: `next` of one page is `cursor` of the next, and null at the end.
- Times are RFC 3339 in UTC. Identifiers are opaque.
"""
CALLERS: Final[Mapping[CallerKind, str]] = {
    "session": "a user in a session of their own",
    "impersonation": "an administrator who acts for them",
    "api_key": "an API key",
    "pending_login": "a user whose login needs a second factor first (by its `login.token`)",
    "client": "an application that the user gave access to",
}
"""The kinds of callers, in words."""
_REFERENCE = "#/components/schemas/{model}"
_HEADERS: dict[str, Any] = {
    "X-Request-ID": {"description": "Identifies this request in the log.", "schema": {"type": "string"}},
}
_LIMITED: dict[str, Any] = {
    "RateLimit-Policy": {
        "description": "The rate limit: its name, so many requests (`q`), in so many seconds (`w`).",
        "schema": {"type": "string", "examples": ['"login";q=100;w=60']},
    },
    "RateLimit": {
        "description": "How many requests are left (`r`), and in how many seconds counting begins anew (`t`).",
        "schema": {"type": "string", "examples": ['"login";r=99;t=60']},
    },
}
_RETRY_AFTER: dict[str, Any] = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
}
_CHALLENGE: dict[str, Any] = {
    "WWW-Authenticate": {"description": "The challenge of RFC 6750.", "schema": {"type": "string"}},
}


class Specification:
    """The document of these endpoints. It is made at first use, since most workers never need it."""

    def __init__(self, endpoints: Sequence[Endpoint], tags: Mapping[str, str], public_url: str, version: str) -> None:
        """`tags` gives the description of each tag."""
        self._endpoints = endpoints
        self._tags = tags
        self._public_url = public_url
        self._version = version

    def json(self) -> bytes:
        """The document in UTF-8."""
        return self._json

    @cached_property
    def _json(self) -> bytes:
        return json.dumps(self._document(), ensure_ascii=False, separators=(",", ":")).encode()

    def _document(self) -> dict[str, Any]:
        references, definitions = models_json_schema(
            _models(self._endpoints), ref_template=_REFERENCE, schema_generator=PlainSchemas
        )
        paths: dict[str, dict[str, Any]] = {}
        used = {declared.tag for declared in self._endpoints}
        links = links_of(self._endpoints)
        for declared in self._endpoints:
            paths.setdefault(templated(declared.path), {})[declared.method.lower()] = _operation(declared, references)
        for link in links:
            source = paths[templated(link.source.path)][link.source.method.lower()]
            source["responses"][str(link.status)].setdefault("links", {})[link.target.operation_id] = link.shown()
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Latchkey",
                "version": self._version,
                "summary": "The authentication service you can read, run and own.",
                "description": _DESCRIPTION,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": self._public_url}],
            "tags": [{"name": name, "description": text} for name, text in self._tags.items() if name in used],
            "paths": paths,
            "components": {
                "schemas": definitions["$defs"],
                "securitySchemes": self._cookie_scheme()
                | {
                    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                    "x-access-token": {"type": "apiKey", "in": "header", "name": "x-access-token"},
                },
            },
        }

    def _cookie_scheme(self) -> dict[str, Any]:
        """The cookie that endpoints take, if there is one."""
        cookie = next((declared.cookie for declared in self._endpoints if declared.cookie), None)
        if cookie is None:
            return {}
        scheme = {"type": "apiKey", "in": "cookie", "name": cookie.name, "description": cookie.description}
        return {"cookieAuth": scheme}


def templated(path: str) -> str:
    """The path of an endpoint in OpenAPI's form: its parts in {braces}."""
    return re.sub(r"<(?:[a-z]+:)?(\w+)>", r"{\1}", path)


def _models(endpoints: Sequence[Endpoint]) -> list[tuple[type[BaseModel], JsonSchemaMode]]:
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    for declared in endpoints:
        if declared.body:
            models[declared.body, "validation"] = None
        for outcomes in _by_status(declared.outcomes).values():
            if (reply := _reply_model(outcomes)) is not None:
                models[reply, "serialization"] = None
    return list(models)


def _by_status(outcomes: Iterable[Outcome]) -> dict[int, tuple[Outcome, ...]]:
    grouped: dict[int, tuple[Outcome, ...]] = {}
    for outcome in outcomes:
        grouped[outcome.status] = (*grouped.get(outcome.status, ()), outcome)
    return grouped


def _reply_model(outcomes: tuple[Outcome, ...]) -> type[BaseModel] | None:
    """The model of a reply that may be any of these outcomes, which share a status; None for a file."""
    returned = tuple(outcome.returns for outcome in outcomes)
    if any(issubclass(returns, File) for returns in returned):
        return None
    views = tuple(returns for returns in returned if issubclass(returns, View))
    if issubclass(views[0], BareView):
        return views[0]
    data: Any = any_of(views)
    return Success[data]


def _operation(declared: Endpoint, references: dict[Any, Any]) -> dict[str, Any]:
    summary, _, description = (declared.function.__doc__ or "").partition("\n")
    operation: dict[str, Any] = {
        "operationId": declared.operation_id,
        "tags": [declared.tag],
        "summary": summary.strip(),
        "description": _described(declared, description),
        "responses": _responses(declared, references),
    }
    if parameters := _parameters(declared):
        operation["parameters"] = parameters
    if declared.body:
        operation["requestBody"] = {
            "required": not may_be_left_out(declared.body),
            "content": {"application/json": {"schema": references[declared.body, "validation"]}},
        }
    if declared.access.authenticated:
        operation["x-callers"] = [kind for kind in CALLERS if kind in declared.access.kinds]
    if declared.reads:
        # No parameter: that would be an argument of each call in the clients that people generated before.
        operation["x-request-headers"] = {header.name: header.description for header in declared.reads}
    operation["security"] = [{"bearer": []}, {"x-access-token": []}] if declared.access.authenticated else []
    if declared.access.optional:
        operation["security"] = [{}, {"bearer": []}, {"x-access-token": []}]
    if declared.cookie:
        operation["security"] = [{}, {"cookieAuth": []}]
    return operation


def _described(declared: Endpoint, description: str) -> str:
    paragraphs = [" ".join(paragraph.split()) for paragraph in description.split("\n\n")]
    if declared.access.authenticated:
        admitted = [named for kind, named in CALLERS.items() if kind in declared.access.kinds]
        paragraphs.append(f"For {' or '.join(filter(None, [', '.join(admitted[:-1]), admitted[-1]]))}.")
    if declared.access.permission:
        paragraphs.append(f"Needs the permission `{declared.access.permission}`.")
    if declared.limit:
        limit = LIMITS[declared.limit]
        whose = "one client address, and of one session" if declared.access.authenticated else "one client address"
        paragraphs.append(
            f"Limit: {limit.requests} requests in {limit.seconds} seconds from {whose}, if the operator sets no other."
        )
    return "\n\n".join(filter(None, paragraphs))


def _parameters(declared: Endpoint) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", templated(declared.path))
    ]
    if declared.query:
        schema = declared.query.model_json_schema(schema_generator=PlainSchemas)
        parameters += [
            {"name": name, "in": "query", "required": name in schema.get("required", []), **_parameter(properties)}
            for name, properties in schema["properties"].items()
        ]
    return parameters


def _parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """The field of a query as a parameter. A parameter is never null: it is left out instead."""
    kinds = [kind for kind in schema["type"] if kind != "null"] if isinstance(schema["type"], list) else []
    plain = {**schema, "type": kinds[0] if kinds else schema["type"]}
    description = plain.pop("description", None)
    return {"schema": plain} | ({"description": description} if description else {})


def _responses(declared: Endpoint, references: dict[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    always = _HEADERS | (_LIMITED if declared.limit else {})
    for status, outcomes in _by_status(declared.outcomes).items():
        model = _reply_model(outcomes)
        if model is not None:
            schema = references[model, "serialization"]
        else:
            schema = {"type": "object" if declared.media_type == "application/json" else "string"}
        responses[str(status)] = {
            "description": outcomes[0].message or "Success.",
            "headers": always | _carried(declared.carries),
            "content": {declared.media_type: {"schema": schema}},
        }
    if declared.cache:
        responses["304"] = {"description": "The version named by `If-None-Match` is current.", "headers": always}
    failures_by_status: dict[int, list[type[Failure]]] = {}
    for failure in declared.failures:
        failures_by_status.setdefault(failure.status, []).append(failure)
    for status, failures in failures_by_status.items():
        extra = {401: _CHALLENGE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}.get(status, {})
        for failure in failures:
            extra = extra | {name: _header(description) for name, description in failure.carries.items()}
        responses[str(status)] = {
            "description": "\n\n".join(f"`{failure.code}`: {failure.message}" for failure in failures),
            "headers": always | extra,
            "content": {"application/json": {"schema": references[Problem, "serialization"]}},
        }
    return responses


def _carried(carries: Iterable[Header | Cookie]) -> dict[str, Any]:
    """The headers of a success. All cookies share one header, so it names them."""
    headers = sorted((each for each in carries if isinstance(each, Header)), key=lambda header: header.name)
    shown = {header.name: _header(header.description, header.type) for header in headers}
    cookies = sorted((each for each in carries if isinstance(each, Cookie)), key=lambda cookie: cookie.name)
    if cookies:
        shown["Set-Cookie"] = _header("\n\n".join(f"`{cookie.name}`: {cookie.description}" for cookie in cookies))
    return shown


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}
