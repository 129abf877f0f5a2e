"""A reply carries the headers and cookies that its endpoint declares, each as safe as a browser can make it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from flask import Response
from structlog.testing import capture_logs

from app.health.views import Ping
from app.platform.errors import EmailTaken
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public
from app.web.result import Carrying, Cookie, File, Header, Reply
from tests.unit.web.serving import document, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.instance import Instance

VISIT = Cookie("__Host-visit", "Which visit this is.")
SECTION = Cookie("__Secure-section", "Where the client has been.", same_site="Lax", path="/things")
LEFT = Header("X-Left", "How many are left.", "integer")
NOTE = Header("X-Note", "A note.")


@endpoint("POST /things", access=public, returns=Ping, carries=(VISIT, SECTION, LEFT, NOTE), raises=(EmailTaken,))
def things(call: Call) -> Ping | Carrying:
    """Carry what the client asks for."""
    match call.header("X-Want"):
        case "all":
            return Carrying(Ping(), {LEFT: "3", NOTE: "a b"}, (VISIT.set("a1", seconds=600), SECTION.set("b2")))
        case "cleared":
            return Carrying(Ping(), cookies=(VISIT.clear(), SECTION.clear()))
        case "seen":
            return Carrying(Ping(), {NOTE: f"{call.cookie(VISIT)} {call.cookie(SECTION)}"})
        case "forged":
            return Carrying(Ping(), {NOTE: "a\r\nX-Forged: 1"})
        case "page":
            return Carrying(File(b"", "text/plain"), cookies=(VISIT.set("a1"),))
    return Ping()


@endpoint("GET /quiet", access=public, returns=Ping, carries=(LEFT,))
def quiet(_call: Call) -> Carrying:
    """Carry what is not declared."""
    return Carrying(Ping(), {LEFT: "1", NOTE: "x"}, (VISIT.set("secret-value"),))


@endpoint("GET /page", access=public, returns=File, carries=(VISIT,), media_type="text/html")
def page(_call: Call) -> Carrying:
    """A file that thinks that it can be cached."""
    return Carrying(File(b"", "text/html", {"Cache-Control": "public, max-age=60"}), cookies=(VISIT.set("a1"),))


PRODUCTION = {
    "FLASK_ENV": "production",
    "BCRYPT_COST": "12",
    "DATABASE_URL": "postgresql://latchkey@localhost/latchkey",
}
ANYWHERE = {**PRODUCTION, "PUBLIC_URL": "https://auth.example.com"}


def sent(instance: Instance, want: str, cookie: str = "", **settings: Any) -> Any:
    client = serving(things, wired=instance.wired, **settings).test_client(use_cookies=False)
    host = urlsplit(settings.get("PUBLIC_URL", "http://localhost")).netloc
    return client.post("/things", headers={"X-Want": want, "Host": host, "Cookie": cookie})


def test_a_reply_carries_what_its_endpoint_declares(instance: Instance) -> None:
    response = sent(instance, "all", **ANYWHERE)

    assert (response.status_code, response.get_json()) == (200, {"status": "ok"})
    assert (response.headers["X-Left"], response.headers["X-Note"]) == ("3", "a b")
    visit, section = response.headers.getlist("Set-Cookie")
    assert visit.startswith("__Host-visit=a1; Expires=")
    assert visit.endswith("; Max-Age=600; Secure; HttpOnly; Path=/; SameSite=Strict")
    assert section == "__Secure-section=b2; Secure; HttpOnly; Path=/things; SameSite=Lax"
    assert response.headers.getlist("Cache-Control") == ["no-store"]
    assert {"X-Left", "X-Note", "Set-Cookie"}.isdisjoint(sent(instance, "nothing", **ANYWHERE).headers.keys())


def test_a_cookie_is_cleared_with_the_attributes_that_it_was_set_with(instance: Instance) -> None:
    visit, section = sent(instance, "cleared", **ANYWHERE).headers.getlist("Set-Cookie")

    assert visit == (
        "__Host-visit=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Secure; HttpOnly; Path=/; SameSite=Strict"
    )
    assert section.endswith("; Max-Age=0; Secure; HttpOnly; Path=/things; SameSite=Lax")


@pytest.mark.parametrize(
    ("settings", "https"),
    [
        ({"FLASK_ENV": "development", "PUBLIC_URL": "http://localhost:5000"}, False),
        ({"FLASK_ENV": "testing", "PUBLIC_URL": "http://[::1]:5000"}, False),
        ({"FLASK_ENV": "development", "PUBLIC_URL": "https://localhost:5000"}, True),
        ({"FLASK_ENV": "development", "PUBLIC_URL": "http://auth.example.com"}, True),
        ({**PRODUCTION, "PUBLIC_URL": "http://localhost:5000"}, True),
        (ANYWHERE, True),
    ],
    ids=str,
)
def test_only_development_on_loopback_has_cookies_without_https(
    instance: Instance,
    settings: dict[str, str],
    https: bool,  # noqa: FBT001 - by pytest
) -> None:
    visit, _ = sent(instance, "all", **settings).headers.getlist("Set-Cookie")

    assert visit.startswith("__Host-visit=" if https else "visit=")
    assert ("; Secure" in visit) == https
    assert "; HttpOnly; Path=/; SameSite=Strict" in visit


def test_a_cookie_is_read_under_the_name_that_it_was_sent_under_and_no_other(instance: Instance) -> None:
    planted = "visit=planted; section=planted"
    for settings, read in ((ANYWHERE, "a1 b2"), ({"FLASK_ENV": "development"}, "planted planted")):
        reply = sent(
            instance, "seen", f"{planted}; __Host-visit=a1; __Secure-section=b2", **settings, ALLOWED_HOSTS="*"
        )
        assert reply.headers["X-Note"] == read
    assert sent(instance, "seen", planted, **ANYWHERE).headers["X-Note"] == "None None"


def test_the_openapi_document_shows_what_a_success_may_carry() -> None:
    operation = document(things)["paths"]["/things"]["post"]

    headers = operation["responses"]["200"]["headers"]
    assert headers.keys() == {"X-Request-ID", "X-Left", "X-Note", "Set-Cookie"}
    assert headers["X-Left"] == {"description": "How many are left.", "schema": {"type": "integer"}}
    assert headers["Set-Cookie"] == {
        "description": "`__Host-visit`: Which visit this is.\n\n`__Secure-section`: Where the client has been.",
        "schema": {"type": "string"},
    }
    assert operation["responses"]["409"]["headers"].keys() == {"X-Request-ID"}


def test_what_is_not_declared_is_not_sent(instance: Instance) -> None:
    client = serving(quiet, wired=instance.wired).test_client()
    with capture_logs() as logged:
        response = client.get("/quiet")

    assert response.status_code == 500
    assert {"X-Left", "X-Note", "Set-Cookie"}.isdisjoint(response.headers.keys())
    (fault,) = [event["exc_info"][1] for event in logged if "exc_info" in event]
    assert "quiet does not declare that it carries X-Note, __Host-visit" in str(fault)


def test_a_header_cannot_begin_another_one(instance: Instance) -> None:
    with capture_logs():
        response = sent(instance, "forged")

    assert response.status_code == 500
    assert "X-Forged" not in response.headers


def test_a_reply_with_a_cookie_is_never_cached(instance: Instance) -> None:
    response = serving(page, wired=instance.wired).test_client().get("/page")

    assert "Set-Cookie" in response.headers
    assert response.headers.getlist("Cache-Control") == ["no-store"]
    for carries in ((VISIT,), (LEFT,)):
        with pytest.raises(ValueError, match="GET /x: what is cached for everybody"):
            endpoint("GET /x", access=public, returns=Ping, cache=60, carries=carries)


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Cookie("session", "Any subdomain could plant it."),
        lambda: Cookie("__Host-", "No name."),
        lambda: Cookie("__host-session", "A prefix that old browsers do not know."),
        lambda: Cookie("__Host-session", "For a part of the host.", path="/auth"),
        lambda: Cookie("__Host-a b", "No token."),
        lambda: Cookie("__Host-a;Domain=example.com", "An attribute."),
        lambda: Cookie("__Secure-session", "An attribute.", path="/; Domain=example.com"),
        lambda: Cookie("__Secure-session", "Nowhere.", path=""),
        lambda: Cookie("__Host-session", "For every site.", same_site="None"),  # type: ignore[arg-type] # is refused
        lambda: Cookie("__Host-session", "By a browser's default.", same_site=""),  # type: ignore[arg-type]
    ],
)
def test_an_unsafe_cookie_cannot_be_declared(declare: Callable[[], Cookie]) -> None:
    with pytest.raises(ValueError, match="cookie"):
        declare()


@pytest.mark.parametrize("value", ["", "a b", "a;b", 'a"', "a\r\nb", "é", "a,b", "a\\b", "\x7f"])
def test_a_value_that_is_no_cookie_value_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(ValueError, match="this value cannot be kept in the cookie '__Host-visit'") as refused:
        VISIT.set(value)
    assert not value or repr(value) not in str(refused.value)
    assert "a1" not in repr(VISIT.set("a1"))
    with pytest.raises(ValueError, match="clear it"):
        VISIT.set("a1", seconds=0)


def test_no_header_that_a_reply_has_anyway_can_be_declared(instance: Instance) -> None:
    @endpoint("GET /all", access=public, returns=Ping, cache=60, any_origin=True)
    def everything(_call: Call) -> Ping:
        """Have every header that the web layer writes."""
        return Ping()

    settings: dict[str, Any] = ANYWHERE
    client = serving(everything, wired=instance.wired, **settings).test_client()
    names = set(client.get("/all", headers={"Host": "auth.example.com"}).headers.keys())

    assert {"Access-Control-Allow-Origin", "Strict-Transport-Security", "ETag"} <= names
    for name in names:
        with pytest.raises(ValueError, match="cannot be declared as a header"):
            Header(name, "A header.")


@pytest.mark.parametrize(
    "name", ["", "X Left", "X-Left:", "Set-Cookie", "cache-control", "Content-Type", "X-Request-ID"]
)
def test_a_header_that_the_service_writes_itself_cannot_be_declared(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be declared as a header"):
        Header(name, "A header.")


def as_sent(response: Response, method: str, *, later: bool) -> tuple[object, ...]:
    """What a server would send of the response, and what is called after that."""
    began: list[object] = []
    called: list[str] = []
    if later:
        response.call_on_close(lambda: called.append("later"))
    environ: Any = {"REQUEST_METHOD": method}
    parts: Any = response(environ, lambda *line: began.append(line))  # type: ignore[arg-type]
    content = b"".join(parts)
    if hasattr(parts, "close"):
        parts.close()
    return content, began, called


def test_every_reply_is_sent_as_werkzeug_would_send_it() -> None:
    bodies: tuple[Callable[[], Any], ...] = (lambda: b"{}", lambda: b"", lambda: iter([b"a", b"b"]))
    statuses, methods = (200, 201, 202, 204, 206, 301, 304, 404, 503), ("GET", "HEAD", "POST")
    headers: tuple[dict[str, str], ...] = ({}, {"X-Left": "3"}, {"Location": "/bü"}, {"Content-Location": "/bü"})
    for body, status, method, added, later in product(bodies, statuses, methods, headers, (True, False)):
        ours, theirs = (
            as_sent(kind(body(), status, added, content_type="application/json"), method, later=later)
            for kind in (Reply, Response)
        )
        assert ours == theirs, (status, method, added, later)
