"""The OpenAPI document says what the declarations of the endpoints say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.accounts.views import UserData
from app.features import ENDPOINTS, TAGS
from app.health.views import Ping
from app.platform.errors import NotFound, TooManyRequests
from app.sessions.inputs import Login
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import permission, public
from app.web.openapi import Specification
from app.web.paging import Page
from app.web.result import File
from tests.unit.web.serving import document


@endpoint(
    "POST /things/<id>",
    access=permission("users:write").by("api_key", "session"),
    operation="makeThing",
    limit="login",
    body=Login,
    query=Page,
    returns=UserData,
    status=201,
    message="Made",
    raises=(TooManyRequests, NotFound),
)
def make(_call: Call, body: Login, page: Page, id: str) -> UserData:  # noqa: A002, ARG001 - as in the path
    """Make a thing.

    It takes
    two lines.
    """
    raise NotFound


@endpoint("GET /file", access=public, returns=File, cache=60, media_type="text/css")
def file(_call: Call) -> File:
    """A file."""
    return File(b"", "text/css")


@endpoint("GET /things/<id>", access=public, returns=Ping)
def ping(_call: Call, id: str) -> Ping:  # noqa: A002, ARG001 - as in the path
    """Answer."""
    return Ping()


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return document(make, file, ping)


def test_an_operation_is_described_by_its_declaration(made: dict[str, Any]) -> None:
    operation = made["paths"]["/things/{id}"]["post"]

    assert operation["operationId"] == "makeThing"
    assert operation["summary"] == "Make a thing."
    assert operation["description"].split("\n\n") == [
        "It takes two lines.",
        "For a user in a session of their own or an API key.",
        "Needs the permission `users:write`.",
        "Limit: 100 requests in 60 seconds from one client address, and of one session, if the operator sets no other.",
    ]
    assert operation["x-callers"] == ["session", "api_key"]
    assert operation["security"] == [{"bearer": []}, {"x-access-token": []}]
    assert operation["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Login"}}},
    }


def test_path_and_query_are_parameters(made: dict[str, Any]) -> None:
    parameters = made["paths"]["/things/{id}"]["post"]["parameters"]

    assert [(each["name"], each["in"], each["required"]) for each in parameters] == [
        ("id", "path", True),
        ("limit", "query", False),
        ("cursor", "query", False),
    ]
    limit = parameters[1]["schema"]
    assert (limit["type"], limit["minimum"], limit["maximum"], limit["default"]) == ("integer", 1, 200, 50)


def test_every_possible_status_is_documented_with_its_headers(made: dict[str, Any]) -> None:
    responses = made["paths"]["/things/{id}"]["post"]["responses"]

    assert set(responses) == {"201", "400", "401", "403", "404", "413", "415", "422", "429", "503"}
    assert responses["201"]["description"] == "Made"
    assert all("X-Request-ID" in response["headers"] for response in responses.values())
    assert {status for status, response in responses.items() if "WWW-Authenticate" in response["headers"]} == {"401"}
    assert {status for status, response in responses.items() if "Retry-After" in response["headers"]} == {"429", "503"}
    assert "`not_found`: There is nothing here." in responses["404"]["description"]
    for status, response in responses.items():
        assert set(response["content"]) == {"application/json"}, status


def test_a_path_with_two_methods_stands_once_and_a_file_has_its_type(made: dict[str, Any]) -> None:
    assert set(made["paths"]) == {"/things/{id}", "/file"}
    assert set(made["paths"]["/things/{id}"]) == {"post", "get"}
    public_operation = made["paths"]["/file"]["get"]
    assert public_operation["responses"]["200"]["content"] == {"text/css": {"schema": {"type": "string"}}}
    assert public_operation["operationId"] == "file"
    assert public_operation["security"] == []
    assert "x-callers" not in public_operation
    assert "parameters" not in public_operation
    assert "requestBody" not in public_operation


def test_the_document_names_its_server_and_version(made: dict[str, Any]) -> None:
    assert made["openapi"] == "3.1.0"
    assert made["servers"] == [{"url": "https://auth.example.com"}]
    assert made["info"]["version"] == "1.2.3"


def test_the_document_of_the_service_is_whole() -> None:
    whole = document(*ENDPOINTS)
    text = json.dumps(whole)
    operations = [operation for path in whole["paths"].values() for operation in path.values()]

    assert len(operations) == len(ENDPOINTS)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)
    assert {tag for operation in operations for tag in operation["tags"]} <= {tag["name"] for tag in whole["tags"]}
    for reference in {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in whole["components"]["schemas"]


def test_the_document_is_made_once() -> None:
    specification = Specification(ENDPOINTS, TAGS, "https://auth.example.com", "1")

    assert specification.json() is specification.json()
