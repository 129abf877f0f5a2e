"""What a body may be: one JSON object that every parser reads in the same way, and not too large."""

import json
from typing import Any

import pytest

from app.features import ENDPOINTS
from app.web.endpoint import Endpoint
from tests.api.service import PASSWORD, Reply, Service, Start, new_names

LIMIT = 64 * 1024
WITH_BODY = [declared for declared in ENDPOINTS if declared.body is not None]
WITHOUT_BODY = [declared for declared in ENDPOINTS if declared.takes_json and declared.body is None]
WITHOUT_FIELDS = {
    "POST /auth/refresh": (401, "invalid_refresh_token"),
    "POST /auth/logout": (200, None),
    "PATCH /auth/me": (200, None),
    "DELETE /auth/me": (422, "validation_failed"),
    "PATCH /admin/roles/<name>": (404, "not_found"),
    "PATCH /admin/users/<user_id>": (404, "not_found"),
    "POST /admin/users/<user_id>/reset-password": (404, "not_found"),
    "PATCH /admin/clients/<client_id>": (404, "not_found"),
    "POST /admin/clients/<client_id>/secrets": (404, "not_found"),
    "POST /admin/registration-tokens": (201, None),
    "PATCH /admin/webhooks/<webhook_id>": (404, "not_found"),
    "POST /auth/providers/<provider>/start": (404, "not_found"),
}
"""What an endpoint whose fields may all be missing answers to `{}`."""
CHOICES = {"scope", "kind", "purpose"}
"""Fields whose error names the allowed values, whatever the type of the wrong one."""
NUMBERS = {"price"}
"""Fields that take a number as well as a text."""
LISTS = {"roles", "permissions", "events", "redirect_uris", "post_logout_redirect_uris", "scopes", "resources"}
"""Fields that take a list of texts."""
WHOLE_NUMBERS = {"expires_in_days", "uses"}
"""Fields that take a whole number."""
BOUNDED = {"session_seconds"}
"""Fields that take a whole number, but none as small as those sent here."""
SWITCHES = {
    "require_second_factor", "trust_device", "email_verified", "end_sessions", "enabled", "first_party",
    "token_exchange", "dpop_bound_access_tokens",
}  # fmt: skip
"""Fields that take true or false."""
TEXTS_BY_NAME = {"token_request"}
"""Fields that take an object of texts, whose names are free."""
OBJECTS = {"credential", "jwks", "workload"}
"""Fields that take an object, whose fields are named."""
OPERATORS: list[Any] = [
    {"$gt": ""}, {"$ne": None}, {"$regex": ".*"}, {"$where": "1"}, {}, [], ["ann@example.com"], [{"$gt": ""}], 7, 1.5,
    True, False,
]  # fmt: skip
"""What is sent where a text is expected."""


def code(response: Reply) -> tuple[int, str | None]:
    return response.status_code, response.json.get("code")


def without_fields(declared: Endpoint) -> tuple[int, str | None]:
    return WITHOUT_FIELDS.get(named(declared), (422, "validation_failed"))


class Caller:
    """An administrator, who may call every endpoint, and is another after a logout."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._token: str | None = None

    def call(self, declared: Endpoint, *, on: Service | None = None, **request: Any) -> Reply:
        """Ask the instance of the module, or another on its database."""
        if declared.access.authenticated:
            request["token"] = self._token = self._token or self.service.administrator().token
        response = (on or self.service).send(declared.method, declared.path, **request)
        if response.status_code == 200 and declared.path == "/auth/logout":
            self._token = None
        return response


class Target:
    """An endpoint that takes a body, called by somebody who may."""

    def __init__(self, declared: Endpoint, caller: Caller) -> None:
        self.declared = declared
        self._caller = caller

    def send(self, **request: Any) -> Reply:
        return self._caller.call(self.declared, **request)

    def send_json(self, body: bytes, **more: Any) -> Reply:
        return self.send(body=body, content_type="application/json", **more)


def named(declared: Endpoint) -> str:
    return f"{declared.method} {declared.path}"


@pytest.mark.parametrize("declared", WITHOUT_BODY, ids=named)
def test_what_a_change_without_fields_is_sent_is_not_just_ignored(caller: Caller, declared: Endpoint) -> None:
    target = Target(declared, caller)
    assert code(target.send(body=b"reason=none", content_type="text/plain")) == (415, "unsupported_media_type")
    assert code(target.send_json(b'{"reason"')) == (400, "malformed_json")
    response = target.send(json={"reason": "none"})
    assert [(error["field"], error["code"]) for error in response.json["errors"]] == [("reason", "unknown_field")]


@pytest.fixture(scope="module")
def caller(service: Service) -> Caller:
    return Caller(service)


@pytest.fixture(params=WITH_BODY, ids=named)
def target(request: pytest.FixtureRequest, caller: Caller) -> Target:
    """Each endpoint that takes a body."""
    return Target(request.param, caller)


# Which bodies are refused, and why, is tests/unit/web/test_body.py's: here each endpoint refuses one of a kind.


def test_a_body_of_another_type_or_of_none_is_refused(target: Target) -> None:
    body = json.dumps({"login": "ann", "password": PASSWORD}).encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", None):
        assert code(target.send(body=body, content_type=content_type)) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
def test_json_in_utf_8_is_accepted(service: Service, content_type: str) -> None:
    body = json.dumps({"email": new_names()[0], "password": PASSWORD, "name": "Zoë 🦊"}, ensure_ascii=False).encode()
    response = service.send("POST", "/auth/register", body=body, content_type=content_type)
    assert response.status_code == 201
    assert response.json["data"]["user"]["name"] == "Zoë 🦊"


def test_no_body_needs_no_type_and_lacks_its_fields(target: Target) -> None:
    assert code(target.send()) == without_fields(target.declared)


def test_an_empty_body_of_json_is_malformed_unless_the_body_is_optional(target: Target) -> None:
    assert code(target.send_json(b"")) == WITHOUT_FIELDS.get(named(target.declared), (400, "malformed_json"))


def test_a_body_over_the_limit_is_refused(target: Target) -> None:
    assert code(target.send_json(b"{}" + b" " * (LIMIT - 2))) == without_fields(target.declared)
    for length in (LIMIT + 1, 10 * 1024 * 1024):
        for content_type in ("application/json", "text/plain"):
            response = target.send(body=b"{}" + b" " * (length - 2), content_type=content_type)
            assert code(response) == (413, "payload_too_large")


def test_the_announced_length_is_enough_to_refuse(target: Target) -> None:
    response = target.send_json(b"{}", environ={"CONTENT_LENGTH": str(2**40)})
    assert code(response) == (413, "payload_too_large")


def test_a_body_in_chunks_has_the_same_limit(target: Target) -> None:
    in_chunks = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    for length, expected in ((LIMIT, without_fields(target.declared)), (LIMIT + 1, (413, "payload_too_large"))):
        assert code(target.send_json(b"{}" + b" " * (length - 2), environ=in_chunks)) == expected


@pytest.fixture(scope="module")
def tight(start: Start, service: Service) -> Service:
    """An instance that takes little, on the same database."""
    return start(on=service, MAX_BODY_BYTES="100")


@pytest.fixture(scope="module")
def wide(start: Start, service: Service) -> Service:
    """An instance that takes much, on the same database."""
    return start(on=service, MAX_BODY_BYTES=str(2**23))


def test_the_limit_is_a_setting(tight: Service, target: Target) -> None:
    assert code(target.send_json(b"{}" + b" " * 98, on=tight)) == without_fields(target.declared)
    assert code(target.send_json(b"{}" + b" " * 99, on=tight)) == (413, "payload_too_large")


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + closing * levels


def test_what_parsers_disagree_about_is_malformed(target: Target) -> None:
    for body in (b'{"password": "a", "password": "b"}', b'{"password": "\\ud800"}', b'{"x": NaN}', nested(33).encode()):
        assert code(target.send_json(body)) == (400, "malformed_json"), body


def test_a_hundred_thousand_levels_are_malformed_even_where_they_fit(wide: Service, target: Target) -> None:
    for body in (nested(100_000), "[" * 100_000, nested(100_000, '{"x":', "}").replace('"x":}', '"x":1}', 1)):
        assert code(target.send_json(body.encode(), on=wide)) == (400, "malformed_json")


def test_what_is_just_inside_the_limits_is_read(target: Target) -> None:
    body = b'{"x": [9223372036854775807, 1e308, "\\ud83d\\ude00", ' + nested(30).encode() + b"]}"
    assert code(target.send_json(body)) == (422, "validation_failed")


def test_a_body_that_is_not_an_object_is_refused(target: Target) -> None:
    for body in (b"[]", b"null", b'[{"password": "x"}]'):
        assert code(target.send_json(body)) == (422, "validation_failed"), body


def test_unknown_fields_are_refused_by_name(target: Target) -> None:
    response = target.send(json={"surprise": 1, "$where": "x", "a.b": 2, "": 3, "\u0000": 4, "x" * 5000: 5})
    told = {error["field"] for error in response.json["errors"] if error["code"] == "unknown_field"}
    assert {"surprise", "$where", "a.b", "\u0000"} <= told
    assert len(response.data) < 4000


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        pytest.param(declared, field, id=f"{named(declared)} {field}")
        for declared in WITH_BODY
        if declared.body
        for field in declared.body.model_fields
    ],
)
def test_no_operator_reaches_a_query(service: Service, caller: Caller, declared: Endpoint, field: str) -> None:
    login = {"email": service.register().email} if field == "password" else {}
    for value in OPERATORS:
        body: dict[str, Any] = {"password": PASSWORD, field: value, **login}
        response = caller.call(declared, json=body)
        assert code(response) == (422, "validation_failed"), value
        told = {error["field"]: error["code"] for error in response.json["errors"]}
        is_number, is_list = type(value) in {int, float}, value == []
        fits = (
            (field in NUMBERS and is_number)
            or (field in LISTS and is_list and field != "events")
            or (field in WHOLE_NUMBERS and type(value) is int)
            or (field in SWITCHES and type(value) is bool)
            or (field in TEXTS_BY_NAME and type(value) is dict and all(type(text) is str for text in value.values()))
        )
        if fits:
            assert field not in told, value
        else:
            refusals = {told[name] for name in told if name.startswith(field)}
            assert refusals, value
            assert refusals == {"invalid_type"} or field in CHOICES | LISTS | OBJECTS | BOUNDED, value


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login"])
def test_a_null_password_counts_as_missing(service: Service, path: str) -> None:
    response = service.post(path, {"email": new_names()[0], "password": None})
    assert code(response) == (422, "validation_failed")
    assert [(error["field"], error["code"]) for error in response.json["errors"]] == [("password", "invalid_type")]


def test_what_was_sent_is_never_sent_back(target: Target) -> None:
    planted = "PLANTED-secret-0451"
    bodies: list[Any] = [
        {
            "email": planted,
            "username": planted * 9,
            "name": planted * 9,
            "login": planted * 20,
            "password": planted[:9],
        },
        {"password": planted, "email": {"x": planted}, "username": [planted], "name": 1, "login": {planted: 1}},
        {"password": {"x": planted}, "surprise": planted},
        {"password": planted, "login": planted + "\ud800"},
        planted,
        [planted],
    ]
    for body in bodies:
        for accept in ("application/json", "application/problem+json"):
            response = target.send(json=body, headers={"Accept": accept})
            assert 400 <= response.status_code < 500
            assert "PLANTED" not in response.text
    assert "PLANTED" not in target.send_json(f'{{"password": "{planted}'.encode()).text
    assert "PLANTED" not in target.send(json={}, headers={"X-Request-ID": planted}, query=f"x={planted}").text


@pytest.mark.parametrize("field", ["email", "username", "name"])
def test_a_nul_in_a_name_is_refused(service: Service, field: str) -> None:
    body = {"email": new_names()[0], "password": PASSWORD} | {field: "ann\u0000e"}
    response = service.post("/auth/register", body)
    assert code(response) == (422, "validation_failed")
    assert [error["field"] for error in response.json["errors"]] == [field]


def test_a_hostile_megabyte_of_text_is_refused(wide: Service) -> None:
    for text in ("a" * 2**20, "a@" * 2**19, "@" + "a." * 2**19, " " * 2**20, "\u00df" * 2**19):
        for field in ("email", "username", "name", "password"):
            body = {"email": "a@example.com", "password": PASSWORD} | {field: text}
            assert code(wide.post("/auth/register", body)) == (422, "validation_failed")
        assert code(wide.login(text)) == (422, "validation_failed")


def test_a_body_that_ends_early_is_malformed(target: Target) -> None:
    assert code(target.send_json(b"{}", environ={"CONTENT_LENGTH": "10"})) == (400, "malformed_json")
