"""The OpenAPI document: it has every route, and tells a client all that it has to know about it.

tests/api/conventions.py checks every reply of every test against it.
"""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.features import ENDPOINTS, PAGES, PROTOCOLS
from app.platform.errors import CATALOGUE
from app.web.endpoint import Endpoint
from app.web.limits import LIMITS
from tests.api.service import Service, Start

REQUIRED = {
    "POST /auth/register": ["password"],
    "POST /auth/login": ["password"],
    "POST /auth/login/continue": ["login_token", "method"],
    "POST /auth/login/options": ["login_token", "method"],
    "POST /auth/login/passkey": ["ceremony", "credential"],
    "POST /auth/passkeys": ["ceremony", "credential"],
    "PATCH /auth/passkeys/{passkey_id}": ["name"],
    "POST /auth/login/code": ["email"],
    "POST /auth/login/code/verify": [],
    "POST /auth/providers/{provider}/start": [],
    "POST /auth/providers/finish": ["code"],
    "POST /auth/factors/totp/confirm": ["code"],
    "POST /auth/factors/recover": ["login_token"],
    "POST /auth/factors/recover/cancel": ["token"],
    "PATCH /auth/me": [],
    "DELETE /auth/me": [],
    "POST /auth/password": ["current_password", "new_password"],
    "POST /auth/password/forgot": ["email"],
    "POST /auth/password/reset": ["new_password"],
    "POST /auth/email/verify": [],
    "POST /auth/email/resend": ["email"],
    "POST /auth/email/disown": ["token"],
    "POST /auth/email": ["email"],
    "POST /auth/email/undo": ["token"],
    "POST /auth/refresh": [],
    "POST /admin/users/{user_id}/reset-factors": ["reason"],
    "POST /auth/reauthenticate": [],
    "POST /auth/logout": [],
    "POST /auth/explain": ["token"],
    "POST /auth/api-keys": ["name", "permissions"],
    "POST /auth/api-keys/leaked": ["key"],
    "POST /admin/service-accounts": ["name", "roles"],
    "PATCH /admin/service-accounts/{account_id}": ["roles"],
    "POST /admin/service-accounts/{account_id}/api-keys": ["name", "permissions"],
    "POST /api/products": ["name", "price"],
    "POST /admin/roles": ["name", "permissions"],
    "PATCH /admin/roles/{name}": [],
    "PUT /admin/users/{user_id}/roles": ["roles"],
    "POST /admin/users/{user_id}/impersonate": ["reason"],
    "PATCH /admin/users/{user_id}": [],
    "POST /admin/users": ["email"],
    "POST /auth/invitation": ["password"],
    "POST /admin/users/{user_id}/reset-password": [],
    "POST /admin/clients": ["name", "kind"],
    "PATCH /admin/clients/{client_id}": [],
    "POST /admin/clients/{client_id}/secrets": [],
    "POST /admin/registration-tokens": [],
    "POST /admin/clients/explain": [],
    "POST /admin/scopes": ["name", "description"],
    "POST /admin/resources": ["uri", "name"],
    "POST /admin/webhooks": ["url", "events"],
    "PATCH /admin/webhooks/{webhook_id}": [],
}
"""What each body has to hold; one that has to hold nothing may be left out."""
ONE_OF_TWO = {
    "POST /auth/password/reset",
    "POST /auth/email/verify",
    "POST /auth/invitation",
    "POST /auth/reauthenticate",
    "POST /auth/login/code/verify",
    "POST /admin/clients/explain",
}
"""Those that have to hold one of two things, which only their description says."""


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
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert document["servers"][0]["url"] == "http://localhost:5000"


def test_it_names_the_public_address(start: Start) -> None:
    service = start(PUBLIC_URL="https://auth.example.com")
    assert service.get("/openapi.json").json["servers"] == [{"url": "https://auth.example.com"}]


def test_it_holds_every_route_but_pages_and_protocols(service: Service, operations: dict[str, Any]) -> None:
    routes = set()
    for rule in service.app.url_map.iter_rules():
        path = re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule)
        routes |= {f"{method} {path}" for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    pages = {named(declared) for declared in (*PAGES, *PROTOCOLS)}
    assert operations.keys() == routes - pages
    assert pages < routes


def test_every_operation_has_a_name_a_tag_and_a_summary(document: dict[str, Any], operations: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    names = {operation["operationId"] for operation in operations.values()}
    assert len(names) == len(operations)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name) for name in names)
    assert {"login", "getMe", "listSessions", "changePassword"} <= names
    for operation in operations.values():
        assert set(operation["tags"]) <= tags
        assert operation["summary"]


def test_it_says_which_operations_need_a_token(operations: dict[str, Any]) -> None:
    guarded = {name for name, operation in operations.items() if operation["security"]}
    with_tokens = {named(declared) for declared in ENDPOINTS if declared.access.authenticated}
    optional = {named(declared) for declared in ENDPOINTS if declared.access.optional}
    assert guarded == with_tokens | optional | {"POST /auth/refresh"}
    for name, operation in operations.items():
        if name not in guarded:
            assert operation["security"] == []
        elif name == "POST /auth/refresh":
            assert operation["security"] == [{}, {"cookieAuth": []}]
        elif name in optional:
            assert operation["security"] == [{}, {"bearer": []}, {"x-access-token": []}]
        else:
            assert operation["security"] == [{"bearer": []}, {"x-access-token": []}]
            assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]


def test_every_failure_is_described_in_one_form_and_by_its_codes(operations: dict[str, Any]) -> None:
    for operation in operations.values():
        for status, response in operation["responses"].items():
            assert "X-Request-ID" in response["headers"]
            if int(status) < 400:
                continue
            assert response["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
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


def test_a_failure_has_every_code_of_the_catalogue_and_only_those(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["Problem"]
    assert schema["properties"]["code"]["enum"] == list(CATALOGUE)
    assert schema["required"] == ["status", "code", "message", "help", "request_id"]


def test_every_body_is_a_plain_object(document: dict[str, Any]) -> None:
    unions = re.findall(r'"(?:oneOf|anyOf|allOf)": (\[.*?\])', json.dumps(document))
    or_none = ("AddressView", "TotpView", "RecoveryCodesView", "RecoveryView", "WorkloadView")
    assert set(unions) == {f'[{{"$ref": "#/components/schemas/{name}"}}, {{"type": "null"}}]' for name in or_none}


def test_what_a_reply_may_leave_out_is_not_required_and_all_else_is(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["SuccessTokenPair"]["required"] == ["status", "data"]
    properties = list(schemas["TokenPair"]["properties"])
    assert schemas["TokenPair"]["required"] == [name for name in properties if name != "device_token"]
    registered = schemas["TokenPairOrUserData"]
    assert registered["required"] == ["user"]
    assert registered["properties"].keys() == schemas["TokenPair"]["properties"].keys()
    listed = schemas["ListedUser"]
    assert (listed["required"], listed["properties"]) == (["id", "username"], schemas["UserView"]["properties"])


def test_a_login_declares_the_header_that_it_reads_but_not_as_an_argument_of_generated_clients(
    document: dict[str, Any],
) -> None:
    login = document["paths"]["/auth/login"]["post"]
    assert login["x-request-headers"].keys() == {"X-Device-Token"}
    assert "parameters" not in login
    assert "x-request-headers" not in document["paths"]["/auth/refresh"]["post"]


def test_prices_are_doubles(document: dict[str, Any]) -> None:
    for name in ("CreateProduct", "ProductView"):
        price = document["components"]["schemas"][name]["properties"]["price"]
        assert (price["type"], price["format"]) == ("number", "double")


def test_a_change_has_no_default_for_what_is_left_as_it_is(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["UpdateMe"]["properties"]
    assert fields.keys() == {"username", "name"}
    assert not any("default" in field for field in fields.values())


def test_the_query_of_the_list_is_described(operations: dict[str, Any]) -> None:
    parameters = {one["name"]: one for one in operations["GET /auth/users"]["parameters"]}
    assert parameters.keys() == {"limit", "cursor"}
    limit = parameters["limit"]
    assert all(one.keys() == {"name", "in", "required", "schema", "description"} for one in parameters.values())
    assert parameters["cursor"]["schema"] == {"type": "string"}
    assert (limit["in"], limit["required"]) == ("query", False)
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"], limit["schema"]["default"]) == (1, 200, 50)


def test_the_limits_of_the_endpoints_are_documented(operations: dict[str, Any]) -> None:
    limited = {named(declared): LIMITS[declared.limit] for declared in ENDPOINTS if declared.limit}
    assert limited.keys() >= {"POST /auth/register", "POST /auth/login", "POST /auth/refresh", "POST /auth/explain"}
    for name, limit in limited.items():
        told = rf"\bLimit: {limit.requests} requests in {limit.seconds} seconds\b"
        assert re.search(told, operations[name]["description"])


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)):
        assert reference in document["components"]["schemas"]


def test_it_holds_no_password_and_no_path_of_this_machine(document: dict[str, Any], service: Service) -> None:
    text = json.dumps(document)
    for value in (*service.database.settings.values(), "kX9vQ2mZ"):
        assert value not in text
