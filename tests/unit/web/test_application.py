"""What is left out of Flask changes nothing that anyone sees."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, session
from werkzeug.exceptions import HTTPException
from werkzeug.test import EnvironBuilder

from app.health.views import Ping
from app.web.application import Application
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public
from tests.unit.web.serving import serving

if TYPE_CHECKING:
    from tests.unit.instance import Instance

HOSTS = [
    *(None, "", "auth.example.com", "AUTH.Example.com:443", "localhost:80", "a_b.example", "auth.example.com."),
    *("a" * 63 + ".example", "a" * 64 + ".example", "a" * 64, ".", "a..b", ".a", "-", "[::1]", "[::1]:5000", "[::1"),
    *("bücher.example", "b\xfccher.example", "xn--bcher-kva.example", "a b", "a\x00", "a\n", "a/b", "a@b", "a:b", "a:"),
    *("a:123456", "127.0.0.1", "a." * 40 + "b", "٢"),
]
PATHS = [
    *(
        None,
        "",
        "/",
        "//",
        "/ping",
        "/ping/",
        "//ping",
        "/ping//",
        "/PING",
        "ping",
        "/named/x",
        "/named//x",
        "/named/my",
    ),
    *("/named/\x00", "/named/%2e", "/named/b\xc3\xbccher", "/named/\xff", "/named/a\nb", "/../ping", "/./ping"),
]
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "get", "X" * 40]
UPGRADES: list[dict[str, str]] = [
    {},
    {"HTTP_UPGRADE": "websocket"},
    {"HTTP_UPGRADE": "WebSocket", "HTTP_CONNECTION": "keep-alive, Upgrade"},
    {"HTTP_UPGRADE": "h2c", "HTTP_CONNECTION": "upgrade"},
]


@endpoint("GET /ping", access=public, any_host=True, returns=Ping)
def ping(_call: Call) -> Ping:
    """Answer."""
    return Ping()


@endpoint("GET /", access=public, returns=Ping)
def root(_call: Call) -> Ping:
    """Answer."""
    return Ping()


@endpoint("GET /named/<name>", access=public, returns=Ping)
def named(_call: Call, name: str) -> Ping:
    """Answer."""
    assert name
    return Ping()


@pytest.fixture
def app(instance: Instance) -> Application:
    return serving(ping, root, named, wired=instance.wired, ALLOWED_HOSTS="*")


def route(app: Application, kind: type[Flask], environ: dict[str, Any]) -> object:
    """What the request is routed to, with the URL adapter that `kind` makes of it."""
    request = app.request_class(environ)
    try:
        adapter = kind.create_url_adapter(app, request)
        assert adapter is not None
        rule, arguments = adapter.match(return_rule=True)
    except HTTPException as refused:
        return type(refused)
    else:
        return rule, arguments


@pytest.mark.parametrize(
    ("hosts", "paths", "methods", "upgrades"),
    [(HOSTS, ["/ping", "/nowhere"], ["GET"], UPGRADES), (["localhost", "a..b"], PATHS, METHODS, UPGRADES[:1])],
)
def test_every_host_and_path_is_routed_as_flask_would_route_it(
    app: Application,
    hosts: list[str | None],
    paths: list[str | None],
    methods: list[str],
    upgrades: list[dict[str, str]],
) -> None:
    for host, path, method, upgrade in product(hosts, paths, methods, upgrades):
        sent = {"HTTP_HOST": host, "PATH_INFO": path, "REQUEST_METHOD": method, **upgrade}
        environ = EnvironBuilder().get_environ() | sent
        environ = {name: value for name, value in environ.items() if value is not None}
        assert route(app, Application, environ) == route(app, Flask, environ), sent


def test_there_is_no_session_neither_from_a_cookie_nor_into_one(app: Application) -> None:
    app.secret_key = "of-a-session"  # with which Flask would read and write one

    with app.test_request_context("/ping", headers={"Cookie": "session=x"}):
        assert not session
        with pytest.raises(RuntimeError):
            session["a"] = 1
    reply = app.test_client().get("/ping", headers={"Cookie": "session=x"})

    assert "Set-Cookie" not in reply.headers
    assert "Vary" not in reply.headers
