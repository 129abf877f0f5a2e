"""Parameters of OAuth: each once, unknown ones ignored, empty ones omitted; the rest is refused as the RFC says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.platform.errors import CATALOGUE, FieldError, InvalidRequest, ValidationFailed
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import authenticated, permission, public
from app.web.input import Body
from app.web.paging import Page
from app.web.parameters import Parameters, parse_parameters
from app.web.result import File, redirect
from tests.unit.web.serving import serving

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.unit.instance import Instance

FORM = "application/x-www-form-urlencoded"


class Metadata(Body):
    """What a client says of itself."""

    redirect_uris: list[str]
    client_name: str


def shown(parameters: Parameters) -> File:
    return File(repr(dict(parameters.values)).encode(), "text/plain; charset=utf-8")


@endpoint("GET /authorize", access=public, parameters="query", returns=File)
def authorize(_call: Call, parameters: Parameters) -> File:
    """Show them."""
    return shown(parameters)


@endpoint("POST /token", access=public, parameters="body", rfc="invalid_request", returns=File, limit="login")
def token(_call: Call, parameters: Parameters) -> File:
    """Show them, or fail as asked."""
    if code := parameters.get("fail"):
        raise CATALOGUE[code](retry_after=7)
    return shown(parameters)


token_of_any_failure = replace(token, raises=tuple(CATALOGUE.values()))


@endpoint("POST /register", access=public, body=Metadata, rfc="invalid_client_metadata", returns=File)
def register(_call: Call, body: Metadata) -> File:
    """Take it."""
    return File(body.client_name.encode(), "text/plain")


@endpoint("POST /mine", access=authenticated, parameters="body", rfc="invalid_request", returns=File)
def mine(_call: Call, parameters: Parameters) -> File:
    """For users."""
    return shown(parameters)


@endpoint("POST /guarded", access=permission("users:write"), parameters="body", rfc="invalid_request", returns=File)
def guarded(_call: Call, parameters: Parameters) -> File:
    """For some."""
    return shown(parameters)


@endpoint("GET /away", access=public, returns=File)
def away(_call: Call) -> File:
    """Lead on."""
    return redirect("https://app.example/cb?code=1&state=a%20b")


@pytest.fixture
def client(instance: Instance) -> FlaskClient:
    return serving(authorize, token_of_any_failure, register, mine, guarded, away, wired=instance.wired).test_client()


def post(client: FlaskClient, body: str | bytes, path: str = "/token", content_type: str | None = FORM) -> Any:
    return client.post(path, data=body, content_type=content_type)


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("", {}),
        ("a=1&b=2", {"a": ("1",), "b": ("2",)}),
        ("a=&b=2", {"b": ("2",)}),
        ("a=&a=1", {"a": ("1",)}),
        ("resource=x&resource=y", {"resource": ("x", "y")}),
        ("a=b+c%20d%C3%A9", {"a": ("b c dé",)}),
    ],
)
def test_parameters_are_read_alike_from_a_query_and_a_body(client: FlaskClient, sent: str, found: Any) -> None:
    assert client.get(f"/authorize?{sent}").text == repr(found)
    assert post(client, sent).text == repr(found)


@pytest.mark.parametrize("sent", ["a=1&a=2", "a=1&a=1", "a", "a=%ff", "a=%00", "%00=a", "&&", "a=1&" * 101])
def test_what_is_ambiguous_or_no_form_in_utf_8_is_refused(client: FlaskClient, sent: str) -> None:
    reply = client.get(f"/authorize?{sent}")
    assert (reply.status_code, reply.get_json()["code"]) == (400, "invalid_request")
    reply = post(client, sent)
    assert (reply.status_code, reply.get_json()["error"]) == (400, "invalid_request")


def test_every_parameter_that_is_there_twice_is_named(client: FlaskClient) -> None:
    told = post(client, "state=1&scope=2&scope=3&state=4&ok=5").get_json()["error_description"]
    assert told == "These parameters may be given once only: scope, state."


def test_a_body_of_another_type_or_charset_is_refused_and_an_empty_one_needs_none(client: FlaskClient) -> None:
    for content_type in ("application/json", "text/plain", f"{FORM}; charset=latin-1", None):
        reply = post(client, "a=1", content_type=content_type)
        assert (reply.status_code, reply.get_json()["error"]) == (400, "invalid_request")
    assert post(client, "", content_type=None).text == "{}"
    assert post(client, "a=1", content_type=f"{FORM}; charset=UTF-8").status_code == 200
    assert post(client, "a=é".encode()).status_code == 400
    assert post(client, b"a=" + b"x" * 70_000).status_code == 413


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_what_a_client_encodes_is_what_is_read(sent: dict[str, str]) -> None:
    wanted = {name: value for name, value in sent.items() if value}
    if "\0" in "".join([*sent, *sent.values()]) or len(sent) > 100:
        with pytest.raises(InvalidRequest):
            parse_parameters(urlencode(sent))
    else:
        assert parse_parameters(urlencode(sent)).one_of_each() == wanted


@given(st.text())
def test_any_text_is_parameters_or_an_invalid_request(text: str) -> None:
    try:
        found = parse_parameters(text)
    except InvalidRequest:
        return
    assert all(values and all(values) for values in found.values.values())


def test_secrets_among_the_parameters_are_not_shown_when_they_are_printed() -> None:
    found = parse_parameters("client_secret=hidden&resource=a&resource=b")
    assert "hidden" not in repr(found)
    assert (found.get("client_secret"), found.get("code")) == ("hidden", None)
    assert (found.all("resource"), found.get("resource"), found.all("code")) == (("a", "b"), "a", ())


@pytest.mark.parametrize(
    ("code", "error", "status"),
    [
        ("invalid_request", "invalid_request", 400),
        ("not_found", "invalid_request", 404),
        ("session_ended", "invalid_token", 401),
        ("forbidden", "insufficient_scope", 403),
        ("too_many_requests", "temporarily_unavailable", 429),
        ("unavailable", "temporarily_unavailable", 503),
        ("overloaded", "temporarily_unavailable", 503),
        ("internal_error", "server_error", 500),
        ("email_taken", "server_error", 500),
    ],
)
def test_each_failure_has_its_error_of_the_rfc(client: FlaskClient, code: str, error: str, status: int) -> None:
    reply = post(client, f"fail={code}")
    assert (reply.status_code, reply.mimetype) == (status, "application/json")
    assert reply.get_json() == {"error": error, "error_description": CATALOGUE[code].message.replace('"', "'")}
    assert reply.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in reply.headers) == (status in {429, 503})
    assert "RateLimit" in reply.headers


def test_a_failure_before_the_endpoint_has_the_same_shape(client: FlaskClient) -> None:
    reply = client.get("/token")
    assert (reply.status_code, reply.get_json()["error"]) == (405, "invalid_request")
    assert "POST" in reply.headers["Allow"]
    reply = client.get("/token/", headers={"Accept": "text/html"})
    assert (reply.status_code, reply.get_json()["error"]) == (405, "invalid_request")


def test_who_has_no_token_or_not_the_permission_is_challenged(client: FlaskClient, instance: Instance) -> None:
    reply = post(client, "", "/mine")
    assert (reply.status_code, reply.get_json()["error"]) == (401, "invalid_token")
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    headers = {"Authorization": f"Bearer {instance.login_of('ann').access_token}"}
    reply = client.post("/guarded", headers=headers)
    assert (reply.status_code, reply.get_json()["error"]) == (403, "insufficient_scope")
    assert reply.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'
    assert client.post("/mine", headers=headers).text == "{}"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"redirect_uris": [1], "client_name": "a"}, "invalid_redirect_uri"),
        ({"client_name": "a"}, "invalid_redirect_uri"),
        ({"redirect_uris": [1]}, "invalid_client_metadata"),
        ({"redirect_uris": [], "client_name": "a", 'x"\\é': 1}, "invalid_client_metadata"),
    ],
)
def test_wrong_metadata_is_told_by_its_word_with_every_wrong_field(client: FlaskClient, body: Any, error: str) -> None:
    reply = client.post("/register", json=body)
    assert (reply.status_code, reply.get_json()["error"]) == (400, error)
    told = reply.get_json()["error_description"]
    assert all(0x20 <= ord(letter) < 0x7F and letter not in '"\\' for letter in told)
    for wrong in (
        {"redirect_uris", "client_name"}
        - {name for name in body if name == "client_name"}
        - ({"redirect_uris"} if body.get("redirect_uris") == [] else set())
    ):
        assert wrong in told
    assert client.post("/register", data="{").get_json()["error"] == "invalid_client_metadata"


def test_a_description_is_short_whatever_was_sent() -> None:
    from app.web.rfc_errors import as_rfc  # noqa: PLC0415 - flask is loaded by then

    failure = ValidationFailed(fields=tuple(FieldError(f"f{number}", "x", "é" * 90) for number in range(100)))
    assert len(as_rfc(failure, "invalid_request", {}).get_json()["error_description"]) <= 1000


def test_a_redirect_is_a_get_and_has_no_body(client: FlaskClient) -> None:
    reply = client.get("/away")
    assert (reply.status_code, reply.data) == (303, b"")
    assert reply.headers["Location"] == "https://app.example/cb?code=1&state=a%20b"


def test_parameters_are_declared_where_they_are() -> None:
    for rule, more in (
        ("GET /x", {"parameters": "body"}),
        ("POST /x", {"parameters": "query"}),
        ("GET /x", {"parameters": "query", "query": Page}),
    ):
        with pytest.raises(ValueError, match="the parameters are in the query of a GET"):
            endpoint(rule, access=public, returns=File, **more)
    with pytest.raises(ValueError, match="a request has one body"):
        endpoint("POST /x", access=public, returns=File, parameters="body", body=Metadata)
