"""A declaration says everything about an endpoint, and is held to it."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from app.accounts.principal import Principal
from app.health.views import Ping
from app.platform.devices import Device
from app.platform.errors import CATALOGUE, EmailTaken, Forbidden, NotFound, Overloaded, ReauthenticationRequired
from app.platform.identifiers import parse_email
from app.sessions.authenticator import AccessTokenAuthenticator
from app.web import exchange
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.guard import authenticated, permission, public
from app.web.input import Body
from app.web.limits import LIMITS
from app.web.paging import Page
from app.web.result import File
from app.web.view import BareView, Streamed, View
from tests.stores import end_sessions
from tests.unit.web.callers import KeyService, Robot
from tests.unit.web.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient

    from tests.api.service import FakeClock
    from tests.unit.instance import Instance


class Thing(View):
    """Something with a text."""

    text: str


class Wish(Body):
    """What somebody wants."""

    text: str


@endpoint("POST /things/<name>", access=public, body=Wish, query=Page, returns=Thing, status=201, message='Made "it"')
def make(_call: Call, body: Wish, page: Page, name: str) -> Thing:
    """Make a thing."""
    return Thing(text=f"{name} {body.text} {page.limit}")


@endpoint("GET /mine", access=authenticated, returns=Thing)
def mine(call: CallBy[Principal]) -> Thing:
    """Whose."""
    return Thing(text=call.caller.user.username or "")


@endpoint("POST /wishes", access=authenticated, body=Wish, returns=Thing)
def wish(_call: Call, body: Wish) -> Thing:
    """For any user."""
    return Thing(text=body.text)


@endpoint("POST /guarded", access=permission("users:write"), body=Wish, returns=Thing)
def guarded(_call: Call, body: Wish) -> Thing:
    """For some."""
    return Thing(text=body.text)


@endpoint("GET /page", access=public, returns=File, cache=60, media_type="text/html")
def page(_call: Call) -> File:
    """A page."""
    return File(b"<p>", "text/html; charset=utf-8", {"Content-Security-Policy": "default-src 'self'"})


@endpoint("GET /ping", access=public, returns=Ping, cache=60)
def ping(call: Call) -> Ping:
    """Answer."""
    assert call.device == Device("127.0.0.1", "curl")
    return Ping()


@endpoint("GET /nobody", access=public, returns=Thing)
def nobody(call: Call) -> Thing:
    """A public endpoint that believes it has a user."""
    return mine.function(call)  # type: ignore[return-value] # what `mine` gives


@endpoint("GET /fails/<code>", access=public, returns=Ping, raises=(NotFound,))
def fails(_call: Call, code: str) -> Ping:
    """Fail."""
    raise CATALOGUE[code]


ALL = (make, mine, wish, guarded, page, ping, nobody, fails)


@pytest.fixture
def client(instance: Instance) -> FlaskClient:
    return serving(*ALL, wired=instance.wired).test_client()


def test_an_endpoint_gets_body_query_and_path_and_answers_in_the_envelope(client: FlaskClient) -> None:
    response = client.post("/things/a?limit=7", json={"text": "é"})

    assert (response.status_code, response.content_type) == (201, "application/json")
    assert response.get_json() == {"status": "success", "message": 'Made "it"', "data": {"text": "a é 7"}}


def test_without_a_message_there_is_none(client: FlaskClient, instance: Instance) -> None:
    token = instance.login_of("ann").access_token

    response = client.get("/mine", headers={"Authorization": f"Bearer {token}"})

    assert response.get_json() == {"status": "success", "data": {"text": "ann"}}


def test_a_document_and_a_file_stand_as_they_are(client: FlaskClient) -> None:
    assert client.get("/ping", headers={"User-Agent": "curl"}).get_json() == {"status": "ok"}
    response = client.get("/page")
    assert (response.data, response.content_type) == (b"<p>", "text/html; charset=utf-8")
    assert response.headers.getlist("Content-Security-Policy") == ["default-src 'self'"]


def test_a_cacheable_reply_is_not_sent_again_to_a_client_that_has_it(client: FlaskClient) -> None:
    first = client.get("/page")
    again = client.get("/page", headers={"If-None-Match": first.headers["ETag"]})
    changed = client.get("/page", headers={"If-None-Match": '"other"'})

    assert first.headers["Cache-Control"] == "public, max-age=60"
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Cache-Control"] == "public, max-age=60"
    assert (changed.status_code, changed.data) == (200, b"<p>")


def test_a_forbidden_caller_gets_the_same_answer_whatever_the_body(client: FlaskClient, instance: Instance) -> None:
    token = instance.login_of("ann").access_token
    for headers, code in (({}, "missing_token"), ({"Authorization": f"Bearer {token}"}, "forbidden")):
        for data in (b"no json", b"{}", b"x" * 100_000):
            response = client.post("/guarded", data=data, content_type="application/json", headers=headers)
            assert response.get_json()["code"] == code


def test_a_token_is_judged_when_the_last_byte_of_the_body_is_there(client: FlaskClient, instance: Instance) -> None:
    opened = instance.login_of("ann")

    class Slow(BytesIO):
        """A body during which the owner logs everybody out."""

        def readinto(self, buffer: Any, /) -> int:
            end_sessions(instance.store, opened.user.id, None)
            return super().readinto(buffer)

    for data in (b'{"text": "a"}', b"no json"):
        response = client.post(
            "/wishes",
            input_stream=Slow(data),
            content_length=len(data),
            content_type="application/json",
            headers={"Authorization": f"Bearer {opened.access_token}"},
        )
        assert response.get_json()["code"] == "session_ended"


def test_the_user_of_a_request_is_named_in_its_line_of_the_log(client: FlaskClient, instance: Instance) -> None:
    opened = instance.login_of("ann")
    with capture_logs() as logged:
        client.get("/mine", headers={"Authorization": f"Bearer {opened.access_token}"})

    assert [event["user_id"] for event in logged] == [opened.user.id]


@endpoint("GET /robots", access=permission("users:read"), returns=Thing)
def robots(call: Call) -> Thing:
    """Who calls, whoever that is."""
    return Thing(text=call.caller.subject)


@endpoint("GET /fresh", access=authenticated, returns=Thing, raises=(Forbidden, ReauthenticationRequired))
def fresh(call: Call) -> Thing:
    """For who logged in recently."""
    call.require_fresh_login()
    return Thing(text="")


def test_what_depends_on_the_kind_of_a_token_is_asked_of_who_authenticated_it(
    instance: Instance, clock: FakeClock
) -> None:
    keys = KeyService("lk_", Robot(permissions=frozenset({"users:read"})))
    wired = instance.wired
    authenticators = (keys, wired.get(AccessTokenAuthenticator))
    client = serving(robots, fresh, wired=wired, authenticators=authenticators).test_client()
    key = {"Authorization": "Bearer lk_1"}
    with capture_logs() as logged:
        reply = client.get("/robots", headers=key, buffered=True)
    assert (reply.status_code, reply.get_json()["data"]) == (200, {"text": "robot-7"})
    assert [event["user_id"] for event in logged] == ["robot-7"]
    assert keys.asked == ["authenticate lk_1", "note_use robot-7"]
    refused = client.get("/fresh", headers=key)
    assert (refused.status_code, refused.get_json()["message"]) == (403, "robot-7 never logs in.")

    session = {"x-access-token": instance.login_of("ann").access_token}
    assert client.get("/robots", headers=session).status_code == 403
    assert client.get("/fresh", headers=session).status_code == 200
    clock.advance(wired.settings.accounts.reauth_seconds + 1)
    assert client.get("/fresh", headers=session).get_json()["code"] == "reauthentication_required"
    assert len(keys.asked) == 3


def test_a_permission_that_does_not_exist_does_not_start(instance: Instance) -> None:
    for name in ("users:fly", "", "admin"):
        declared = endpoint("GET /x", access=permission(name), returns=Ping)(ping.function)
        with pytest.raises(ValueError, match=f"GET /x: there is no permission '{name}'"):
            serving(declared, wired=instance.wired)


@endpoint("GET /limited/<code>", access=public, returns=Ping, raises=(NotFound,))
def limited(_call: Call, code: str) -> Ping:
    """Count requests."""
    exchange.current().headers.append(("RateLimit", '"login";r=1;t=9'))
    if code in CATALOGUE:
        raise CATALOGUE[code]
    return Ping()


def test_a_header_of_the_exchange_stands_on_its_reply_whatever_that_becomes(instance: Instance) -> None:
    client = serving(limited, ping, wired=instance.wired).test_client()
    for code, status in (("fine", 200), ("not_found", 404), ("email_taken", 500)):
        reply = client.get(f"/limited/{code}")
        assert (reply.status_code, reply.headers.getlist("RateLimit")) == (status, ['"login";r=1;t=9'])
    assert "RateLimit" not in client.get("/ping", headers={"User-Agent": "curl"}).headers


def test_a_public_endpoint_has_no_caller(client: FlaskClient) -> None:
    with capture_logs() as logged:
        assert client.get("/nobody").status_code == 500

    (failure,) = [event["exc_info"][1] for event in logged if "exc_info" in event]
    assert "a public endpoint has no caller" in str(failure)


def test_get_answers_head_and_every_path_answers_options(client: FlaskClient) -> None:
    head = client.head("/page")
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", "3")
    for path, allowed in (("/page", {"GET", "HEAD", "OPTIONS"}), ("/guarded", {"POST", "OPTIONS"})):
        options = client.options(path)
        assert (options.status_code, options.data) == (204, b"")
        assert set(options.headers["Allow"].split(", ")) == allowed


def test_nothing_is_redirected(client: FlaskClient) -> None:
    # A redirect would carry the Host header of the request.
    for path, status in (("/page/", 200), ("//page", 404), ("/page//", 404), ("/./page", 404)):
        response = client.get(path)
        assert (response.status_code, response.headers.get("Location")) == (status, None)


def test_tests_fail_on_a_failure_that_an_endpoint_does_not_declare(client: FlaskClient) -> None:
    assert client.get("/fails/not_found").status_code == 404
    with capture_logs() as logged:
        assert client.get("/fails/email_taken").status_code == 500
    assert "fails does not declare email_taken" in str(logged)


def test_in_service_an_undeclared_failure_keeps_its_own_status_and_code(instance: Instance) -> None:
    client = serving(*ALL, wired=instance.wired, FLASK_ENV="development").test_client()

    assert client.get("/fails/email_taken").status_code == 409


def test_an_endpoint_raises_what_it_declares_and_what_follows_from_its_parts() -> None:
    def codes(declared: Any) -> list[str]:
        return [failure.code for failure in declared.failures]

    assert codes(ping) == ["invalid_host", "invalid_request"]
    assert codes(make) == [
        "invalid_host",
        "invalid_request",
        "malformed_json",
        "payload_too_large",
        "unsupported_media_type",
        "validation_failed",
    ]
    assert codes(mine) == [
        "invalid_host",
        "invalid_request",
        "expired_token",
        "invalid_token",
        "missing_token",
        "session_ended",
        "forbidden",
        "unavailable",
    ]
    assert "forbidden" in codes(guarded)
    assert codes(
        endpoint("GET /x", access=public, any_host=True, returns=Ping, raises=(EmailTaken,))(ping.function)
    ) == ["invalid_request", "email_taken"]


def test_an_endpoint_without_an_access_rule_cannot_be_declared() -> None:
    declare: Callable[..., Any] = endpoint

    with pytest.raises(TypeError, match="access"):
        declare("GET /open", returns=Ping)


def test_an_endpoint_is_named_by_its_tag_and_function_and_shown_with_its_access_rule() -> None:
    assert replace(ping, tag="signs").name == "signs.ping"
    assert [each.shown.partition(" ")[2] for each in (ping, mine, guarded)] == [
        "(public)",
        "(authenticated)",
        "(users:write)",
    ]


def test_an_unknown_limit_cannot_be_declared() -> None:
    assert all(limit.name == name and limit.requests > 0 and limit.seconds > 0 for name, limit in LIMITS.items())
    with pytest.raises(ValueError, match="no such rate limit"):
        endpoint("GET /x", access=public, returns=Ping, limit="unheard of")
    assert issubclass(Ping, BareView)


@endpoint("GET /long", access=public, returns=Thing, raises=(Overloaded,))
def long(_call: Call) -> Streamed:
    """A reply of several parts."""
    return Streamed(Thing, iter([b'{"text":', b'"much"', b"}"]))


def test_few_long_replies_are_sent_at_once(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.replies._STREAMS", BoundedSemaphore(1))
    client = serving(long, wired=instance.wired).test_client()
    with client.get("/long", buffered=False) as first:
        second = client.get("/long")
        assert (second.status_code, second.get_json()["code"]) == (503, "overloaded")
        assert "Retry-After" in second.headers
        assert first.get_json()["data"] == {"text": "much"}
    assert client.get("/long").status_code == 200
    client.get("/long", buffered=False).close()  # the client goes in the middle
    assert client.get("/long").status_code == 200


def test_each_request_parses_its_addresses_itself_and_once(instance: Instance) -> None:
    parsed: list[object] = []

    @endpoint("POST /addresses", access=public, body=Wish, returns=Ping)
    def address(_call: Call, body: Wish) -> Ping:
        """Parse it twice."""
        parsed.extend(parse_email(body.text) for _ in range(2))
        return Ping()

    client = serving(address, wired=instance.wired).test_client()
    for _ in range(2):
        assert client.post("/addresses", json={"text": "ann@example.com"}).status_code == 200

    assert parsed[0] is parsed[1]
    assert parsed[2] is parsed[3]
    assert parsed[0] is not parsed[2]
