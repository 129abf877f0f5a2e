"""The OpenAPI document: it holds every route, and says of each what a client has to know.

That replies are as it says, tests/api/conventions.py holds of every reply of every test.
"""

import json
import re
from typing import Any

import pytest
from openapi_pydantic import OpenAPI

from app.controllers import ENDPOINTS, PAGES
from app.web.endpoint import Endpoint
from tests.api.service import Service, Start

REQUIRED = {
    "POST /auth/register": ["password"],
    "POST /auth/login": ["password"],
    "PATCH /auth/me": [],
    "DELETE /auth/me": ["password"],
    "POST /auth/password": ["current_password", "new_password"],
    "POST /auth/password/forgot": ["email"],
    "POST /auth/password/reset": ["new_password"],
    "POST /auth/email/verify": [],
    "POST /auth/email/resend": ["email"],
    "POST /auth/email/disown": ["token"],
    "POST /auth/email": ["email", "password"],
    "POST /auth/email/undo": ["token"],
    "POST /auth/refresh": [],
    "POST /auth/logout": [],
    "POST /auth/explain": ["token"],
    "POST /api/products": ["name", "price"],
}
"""What each body has to hold; one that has to hold nothing may be left out."""
ONE_OF_TWO = {"POST /auth/password/reset", "POST /auth/email/verify"}
"""Those that have to hold one of two things, which `required` cannot say."""


def named(declared: Endpoint) -> str:
    """Its method and path, as the document writes it."""
    path = re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", declared.path)
    return f"{declared.method} {path}"


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    response = service.get("/openapi.json")
    assert response.headers["Content-Type"] == "application/json"
    found: dict[str, Any] = response.json
    return found


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The operations by "POST /auth/login"."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d", document["openapi"])
    OpenAPI.model_validate(document)
    assert document["servers"][0]["url"] == "http://localhost:5000"


def test_it_tells_the_public_address(start: Start) -> None:
    service = start(PUBLIC_URL="https://auth.example.com")
    assert service.get("/openapi.json").json["servers"] == [{"url": "https://auth.example.com"}]


def test_it_holds_every_route_but_the_pages_and_nothing_else(service: Service, operations: dict[str, Any]) -> None:
    routes = set()
    for rule in service.app.url_map.iter_rules():
        path = re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule)
        routes |= {f"{method} {path}" for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    pages = {named(declared) for declared in PAGES}
    assert operations.keys() == routes - pages
    assert pages < routes


def test_every_operation_has_a_name_a_tag_and_a_summary(document: dict[str, Any], operations: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    assert len({operation["operationId"] for operation in operations.values()}) == len(operations)
    for operation in operations.values():
        assert set(operation["tags"]) <= tags
        assert operation["summary"]


def test_it_says_which_operations_need_a_token(operations: dict[str, Any]) -> None:
    guarded = {name for name, operation in operations.items() if "security" in operation}
    assert guarded == {named(declared) for declared in ENDPOINTS if declared.access.authenticated}
    for name, operation in operations.items():
        if name in guarded:
            assert operation["security"] == [{"bearer": []}, {"x-access-token": []}]
            assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]


def test_every_failure_is_described_in_both_forms_and_by_its_codes(operations: dict[str, Any]) -> None:
    for operation in operations.values():
        for status, response in operation["responses"].items():
            assert "X-Request-ID" in response["headers"]
            if int(status) < 400:
                continue
            assert response["content"].keys() == {"application/json", "application/problem+json"}
            assert re.match(r"`[a-z_]+`: ", response["description"])
            assert ("Retry-After" in response["headers"]) == (status in {"429", "503"})


def test_every_body_is_described_field_by_field(document: dict[str, Any], operations: dict[str, Any]) -> None:
    with_body = {name: operation for name, operation in operations.items() if "requestBody" in operation}
    assert with_body.keys() == REQUIRED.keys()
    for name, operation in with_body.items():
        content = operation["requestBody"]["content"]
        assert content.keys() == {"application/json"}
        schema = document["components"]["schemas"][content["application/json"]["schema"]["$ref"].rpartition("/")[2]]
        assert schema["additionalProperties"] is False
        assert schema.get("required", []) == REQUIRED[name]
        assert operation["requestBody"]["required"] == bool(REQUIRED[name] or name in ONE_OF_TWO)
        assert {"400", "413", "415", "422"} <= operation["responses"].keys()


def test_a_change_has_no_default_for_what_is_left_as_it_is(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["UpdateMe"]["properties"]
    assert fields.keys() == {"username", "name"}
    assert not any("default" in field for field in fields.values())


def test_the_query_of_the_list_is_described(operations: dict[str, Any]) -> None:
    parameters = {one["name"]: one for one in operations["GET /auth/users"]["parameters"]}
    assert parameters.keys() == {"limit", "cursor"}
    limit = parameters["limit"]
    assert (limit["in"], limit["required"]) == ("query", False)
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"], limit["schema"]["default"]) == (1, 200, 50)


def test_the_limits_of_the_endpoints_are_told(operations: dict[str, Any]) -> None:
    limited = {named(declared): declared.limit for declared in ENDPOINTS if declared.limit}
    assert limited.keys() >= {"POST /auth/register", "POST /auth/login", "POST /auth/refresh", "POST /auth/explain"}
    for name, limit in limited.items():
        assert limit is not None
        told = rf"\b{limit.requests} requests\b.*\b{limit.seconds} seconds\b"
        assert re.search(told, operations[name]["description"])


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)):
        assert reference in document["components"]["schemas"]


def test_it_holds_no_password_and_no_path_of_this_machine(document: dict[str, Any], service: Service) -> None:
    text = json.dumps(document)
    for value in (*service.database.settings.values(), "kX9vQ2mZ"):
        assert value not in text
