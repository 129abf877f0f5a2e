"""A page is shown by the cookie of pages alone, which no other endpoint takes; who has none is led to the login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.health.views import Ping
from app.web.call import CallBy
from app.web.endpoint import endpoint
from app.web.guard import PAGE_COOKIE, authenticated, on_page, page_permission, public
from app.web.input import Body
from app.web.result import File
from tests.unit.web.callers import KeyService, Robot
from tests.unit.web.serving import serving

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.unit.instance import Instance

NAME = PAGE_COOKIE.sent_as(https=False)
ORIGIN = {"Origin": "http://localhost:5000"}
LOGIN = "http://localhost:5000/login?to="
HTML = {"Accept": "text/html"}


class Answer(Body):
    """What somebody answers."""

    answer: str = ""


@endpoint("GET /account/things", access=on_page, returns=File, media_type="text/html")
def things(call: CallBy[Robot]) -> File:
    """Whose."""
    return File(call.caller.subject.encode(), "text/html; charset=utf-8")


@endpoint("POST /account/things", access=on_page, form=Answer, returns=File, media_type="text/html")
def change(call: CallBy[Robot], form: Answer) -> File:
    """Change it."""
    return File(f"{call.caller.subject} {form.answer}".encode(), "text/html; charset=utf-8")


@endpoint("GET /admin/things", access=page_permission("users:read"), returns=File, media_type="text/html")
def administer(call: CallBy[Robot]) -> File:
    """For some."""
    return things.function(call)  # type: ignore[return-value] # what `things` gives


@endpoint("GET /consent", access=public, returns=File, media_type="text/html")
def consent(call: CallBy[Any]) -> File:
    """A page with a form that leads elsewhere."""
    return call.page("undone.html", status=202, form_action=(call.header("X-To"),) if call.header("X-To") else ())


@endpoint("GET /api/things", access=authenticated, returns=Ping)
def api(_call: CallBy[Robot]) -> Ping:
    """For programs."""
    return Ping()


ALL = (things, change, administer, consent, api)


def served(instance: Instance, robot: Robot | None = None, **more: Any) -> FlaskClient:
    authenticator = KeyService("page-", robot)
    app = serving(*ALL, wired=instance.wired, page_authenticator=authenticator, **more)
    return app.test_client(use_cookies=False)


@pytest.fixture
def client(instance: Instance) -> FlaskClient:
    return served(instance, Robot())


def with_cookie(value: str = "page-1", **more: str) -> dict[str, str]:
    return {"Cookie": f"{NAME}={value}"} | more


def test_the_cookie_shows_a_page_and_sends_its_form(client: FlaskClient) -> None:
    assert client.get("/account/things", headers=with_cookie()).text == "robot-7"
    reply = client.post("/account/things", headers=with_cookie() | ORIGIN, data={"answer": "yes"})
    assert reply.text == "robot-7 yes"


def test_no_header_shows_a_page(client: FlaskClient) -> None:
    for name in ("Authorization", "x-access-token"):
        value = "Bearer page-1" if name == "Authorization" else "page-1"
        assert client.get("/account/things", headers={name: value}).status_code == 303


def test_no_other_endpoint_takes_the_cookie(instance: Instance) -> None:
    client = served(instance, Robot(), authenticators=(KeyService("page-", Robot()),))
    assert client.get("/api/things", headers={"Authorization": "Bearer page-1"}).status_code == 200
    assert client.get("/api/things", headers=with_cookie()).status_code == 401


@pytest.mark.parametrize("headers", [{}, {"Cookie": f"{NAME}="}, {"Cookie": f"{NAME}=other"}])
def test_who_is_not_logged_in_is_led_to_the_login_and_back(client: FlaskClient, headers: dict[str, str]) -> None:
    reply = client.get("/account/things?a=1&b=%2F", headers=headers | HTML)
    assert (reply.status_code, reply.headers["Location"]) == (303, f"{LOGIN}/account/things%3Fa%3D1%26b%3D%252F")
    assert reply.headers["Cache-Control"] == "no-store"
    reply = client.get("/account/things?" + "a" * 2000, headers=headers)
    assert reply.headers["Location"] == f"{LOGIN}/account/things"
    assert client.head("/account/things", headers=headers).status_code == 303


def test_a_login_that_has_ended_is_led_to_the_login(instance: Instance) -> None:
    client = served(instance, None)
    assert client.get("/account/things", headers=with_cookie()).headers["Location"] == f"{LOGIN}/account/things"


def test_a_form_without_a_login_changes_nothing_and_says_so(client: FlaskClient) -> None:
    reply = client.post("/account/things", headers=ORIGIN | HTML, data={"answer": "yes"})
    assert (reply.status_code, reply.mimetype) == (401, "text/html")
    assert f'href="{LOGIN}/account/things"' in reply.text


def test_a_form_of_another_site_is_refused_even_with_the_cookie(client: FlaskClient) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        reply = client.post("/account/things", headers=with_cookie() | headers, data={"answer": "yes"})
        assert reply.status_code == 403


def test_a_page_for_some_asks_for_their_permission(instance: Instance) -> None:
    assert served(instance, Robot()).get("/admin/things", headers=with_cookie() | HTML).status_code == 403
    able = Robot(permissions=frozenset({"users:read"}))
    assert served(instance, able).get("/admin/things", headers=with_cookie()).text == "robot-7"


def test_only_a_login_of_ones_own_shows_a_page(instance: Instance) -> None:
    client = served(instance, Robot(kind="impersonation"))
    assert client.get("/account/things", headers=with_cookie()).status_code == 403


def test_two_different_cookies_are_refused(client: FlaskClient) -> None:
    reply = client.get("/account/things", headers={"Cookie": f"{NAME}=page-1; {NAME}=page-2"})
    assert reply.status_code == 400


def test_over_https_the_cookie_is_this_hosts_alone(instance: Instance) -> None:
    client = served(instance, Robot(), PUBLIC_URL="https://auth.example.com")
    assert client.get("/account/things", headers=with_cookie()).status_code == 303
    assert client.get("/account/things", headers={"Cookie": f"{PAGE_COOKIE.name}=page-1"}).text == "robot-7"


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("", ""),
        ("https://app.example:8443/cb?x=1", " https://app.example:8443"),
        ("https://App.example", " https://app.example"),
        ("http://localhost:8080/cb", " http://localhost:8080"),
        ("http://[::1]:8080/cb", " http:"),
        ("com.example.app:/cb", " com.example.app:"),
        ("https://app.example;script-src/cb", " https:"),
    ],
)
def test_the_form_of_a_page_may_lead_to_where_the_page_says(client: FlaskClient, url: str, source: str) -> None:
    reply = client.get("/consent", headers={"X-To": url})
    assert reply.status_code == 202
    assert f"form-action 'self'{source}; frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]


def test_a_page_that_could_be_shown_or_changed_otherwise_is_not_declared() -> None:
    with pytest.raises(ValueError, match="only a form is checked"):
        endpoint("POST /x", access=on_page, returns=File)
    with pytest.raises(ValueError, match="a page alone"):
        endpoint("GET /x", access=on_page, returns=Ping)


def test_pages_without_anything_that_authenticates_do_not_start(instance: Instance) -> None:
    with pytest.raises(ValueError, match="nothing authenticates the cookie of pages"):
        serving(things, wired=instance.wired)
