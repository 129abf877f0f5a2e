"""Who a request comes from, which host it names, and what every reply carries."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from flask import request
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app import config
from app.health.views import Ping
from app.platform.errors import Unavailable
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.exchange import RequestState, begin_hook
from app.web.guard import public
from tests.api.service import SETTINGS
from tests.unit.web.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.instance import Instance

PROXIES = "10.0.0.0/8,192.0.2.7,2001:db8:1::/48"
OUTSIDE = "203.0.113.9"
begin_of_settings: dict[str, Any] = {}


def exchange(peer: str, forwarded: str | None = None, request_id: str = "", proxies: str = PROXIES) -> RequestState:
    """What is known of a request from this peer."""
    begin = begin_of_settings.setdefault(
        proxies, begin_hook(config.load(SETTINGS | {"TRUSTED_PROXIES": proxies}, dotenv=None))
    )
    environ = {"REMOTE_ADDR": peer, "HTTP_X_REQUEST_ID": request_id}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded
    return begun(begin, environ)


def begun(begin: Callable[..., Any], environ: dict[str, Any]) -> RequestState:
    begin(environ, lambda *_: None)
    made: RequestState = environ["latchkey.exchange"]
    return made


def client(peer: str, forwarded: str | None = None, proxies: str = PROXIES) -> str:
    return exchange(peer, forwarded, proxies=proxies).device.ip


@pytest.mark.parametrize(
    "peer", [OUTSIDE, "127.0.0.1", "::1", "11.0.0.1", "192.0.2.8", "2001:db8:2::1", "::ffff:203.0.113.9"]
)
@pytest.mark.parametrize("forwarded", ["198.51.100.1", "10.0.0.1", "127.0.0.1, 10.0.0.1", "", "x"])
def test_a_peer_that_is_not_a_trusted_proxy_is_the_client_whatever_it_sends(peer: str, forwarded: str) -> None:
    assert client(peer, forwarded) == peer.removeprefix("::ffff:")


def test_without_proxies_nobody_is_trusted_loopback_neither() -> None:
    for peer in (OUTSIDE, "127.0.0.1", "10.0.0.1", "::1", ""):
        assert client(peer, "198.51.100.1", proxies="") == peer


@pytest.mark.parametrize(
    "peer",
    [
        "10.0.0.1",
        "10.255.255.255",
        "192.0.2.7",
        "2001:db8:1::1",
        "2001:DB8:1:0::1",
        "::ffff:10.0.0.1",
        "::ffff:c000:207",
    ],
)
def test_a_trusted_proxy_names_the_client_also_in_the_form_of_ipv6(peer: str) -> None:
    assert client(peer, OUTSIDE) == OUTSIDE
    assert client(peer, "2001:db8:ffff::9") == "2001:db8:ffff::9"


def test_a_network_of_addresses_in_the_form_of_ipv6_is_matched_too() -> None:
    assert client("::ffff:10.0.0.1", OUTSIDE, proxies="::ffff:10.0.0.0/104") == OUTSIDE
    assert client("::ffff:11.0.0.1", OUTSIDE, proxies="::ffff:10.0.0.0/104") == "11.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (f"198.51.100.1, {OUTSIDE}", OUTSIDE),
        (f"198.51.100.1, {OUTSIDE}, 10.0.0.2, 192.0.2.7", OUTSIDE),
        (f"10.0.0.3,{OUTSIDE},10.0.0.2", OUTSIDE),
        (f"  {OUTSIDE}  ", OUTSIDE),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("::ffff:203.0.113.9, ::ffff:10.0.0.2", OUTSIDE),
        ("2001:DB8:FFFF:0:0::9", "2001:db8:ffff::9"),
        (f"evil, {OUTSIDE}", OUTSIDE),
        (f", {OUTSIDE}", OUTSIDE),
        (f"{OUTSIDE}, , 10.0.0.2,", OUTSIDE),  # an empty element is none: RFC 9110 section 5.6.1
    ],
)
def test_the_client_is_the_last_in_the_chain_that_is_not_a_trusted_proxy(forwarded: str, expected: str) -> None:
    assert client("10.0.0.1", forwarded) == expected


@pytest.mark.parametrize(
    "hop",
    [
        *("unknown", "_hidden", "203.0.113.9:", "[2001:db8::1", "2001:db8::1]", "[2001:db8::1]x", "203.0.113"),
        *("203.0.113.256", "0x7f.1", "203.0.113.09", "127.1", "1", "localhost", "10.0.0.1/8", "\x1b[31m"),
        *("fe80::1%" + "x" * 8000, "203.0.113.9%x", "for=203.0.113.9", "٢٠٣.0.113.9"),
    ],
)
def test_a_hop_that_is_not_an_address_ends_the_chain_at_the_hop_after_it(hop: str) -> None:
    assert client("10.0.0.1", hop) == "10.0.0.1"
    assert client("10.0.0.1", f"{OUTSIDE}, {hop}, 10.0.0.2") == "10.0.0.2"


def test_no_header_is_no_chain() -> None:
    assert client("10.0.0.1") == "10.0.0.1"
    assert exchange("10.0.0.1", None, "0123456789").request_id == "0123456789"


def test_the_zone_of_an_address_is_left_out() -> None:
    assert client("10.0.0.1", "fe80::1%<script>\x1b") == "fe80::1"
    assert client("fe80::1%eth0") == "fe80::1"


@given(st.lists(st.ip_addresses().map(str) | st.text(max_size=12), max_size=6))
def test_the_client_is_always_an_address_in_its_usual_form(hops: list[str]) -> None:
    found = client("10.0.0.1", ",".join(hops))

    assert str(ip_address(found)) == found
    assert "%" not in found
    assert client(OUTSIDE, ",".join(hops)) == OUTSIDE


@pytest.mark.parametrize("peer", ["", "unix:", "not an address"])
def test_a_peer_without_an_address_is_not_trusted(peer: str) -> None:
    assert client(peer, OUTSIDE) == peer


@pytest.mark.parametrize("request_id", ["01234567", "a" * 64, "aZ09_-aZ09_-"])
def test_the_request_id_of_a_trusted_proxy_is_kept(request_id: str) -> None:
    assert exchange("10.0.0.1", OUTSIDE, request_id).request_id == request_id


@pytest.mark.parametrize(
    "request_id", ["", "0123456", "a" * 65, "0123456789\n", "01234567 89", "0123456789;", "é" * 8, "\x1b[31m0123"]
)
def test_any_other_request_id_is_replaced(request_id: str) -> None:
    made = exchange("10.0.0.1", OUTSIDE, request_id).request_id

    assert re.fullmatch("[0-9a-f]{32}", made)
    assert made != exchange("10.0.0.1", OUTSIDE, request_id).request_id


def test_a_request_id_from_an_untrusted_client_is_replaced() -> None:
    assert exchange(OUTSIDE, None, "0123456789").request_id != "0123456789"


def test_whatever_the_address_is_the_user_agent_is_passed_on_unchanged() -> None:
    begin = begin_hook(config.load(SETTINGS, dotenv=None))
    environ: dict[str, Any] = {"HTTP_USER_AGENT": "curl/8.5.0 é"}

    assert begun(begin, environ).device.user_agent == "curl/8.5.0 é"


def is_allowed(host: str | None, allowed: str) -> bool:
    app = serving(ALLOWED_HOSTS=allowed)
    environ = {} if host is None else {"HTTP_HOST": host}
    with capture_logs():
        response = app.test_client().get("/nowhere", environ_overrides={"HTTP_HOST": "", **environ})
    assert response.get_json()["code"] == ("invalid_host" if response.status_code == 400 else "not_found")
    return response.status_code == 404


NAMED = "auth.example.com,.internal.example,2001:db8::1,192.0.2.1"


@pytest.mark.parametrize(
    "host",
    [
        *("auth.example.com", "AUTH.Example.COM", "auth.example.com.", "auth.example.com:443"),
        *("auth.example.com.:8080", "internal.example", "a.internal.example", "a.b.INTERNAL.example.:1"),
        *("[2001:db8::1]", "[2001:DB8::1]:5000", "192.0.2.1", "192.0.2.1:80"),
    ],
)
def test_a_host_that_is_named_is_answered_on_any_port_and_in_any_case(host: str) -> None:
    assert is_allowed(host, NAMED)


@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "x.auth.example.com", "auth.example.com.evil.example", "evil-auth.example.com"),
        *("notinternal.example", "internal.example.evil.example", "auth.example.com..", ".", "[2001:db8::2]"),
        *("2001:db8::1", "192.0.2.2", "0xc0.0.2.1", ".internal.example.evil", "*", "localhost"),
    ],
)
def test_any_other_host_is_refused(host: str) -> None:
    assert not is_allowed(host, NAMED)


MALFORMED = [
    *(None, "", " ", "auth.example.com ", " auth.example.com", "auth.example.com/", "auth.example.com/x", "a b"),
    *("user@auth.example.com", "auth.example.com@evil.example", "auth.example.com,evil.example", "bücher.example"),
    *("auth.example.com:", "auth.example.com:http", "auth.example.com:123456", "auth.example.com:80:80"),
    *("auth.example.com?", "auth.example.com#", "http://auth.example.com", "a\\b", "*"),
    *("auth.example.com\t", "auth.example.com\x00", "auth.example.com\n"),
    *("[::1", "::1]", "[::1]x", "[auth.example.com]"),
    *("x" * 261, "x." * 4000 + "example"),
]


@pytest.mark.parametrize("host", MALFORMED)
@pytest.mark.parametrize("allowed", [NAMED, "*"])
def test_a_malformed_or_missing_host_is_refused_even_where_any_is_allowed(host: str | None, allowed: str) -> None:
    assert not is_allowed(host, allowed)


@pytest.mark.parametrize("host", ["auth.example.com", "evil.example:80", "[::1]:5000", "localhost", "a_b.example"])
def test_where_any_host_is_allowed_every_well_formed_one_is(host: str) -> None:
    assert is_allowed(host, "*")


@endpoint("GET /ping", access=public, any_host=True, returns=Ping)
def ping(_call: Call) -> Ping:
    """Answer."""
    return Ping()


@endpoint("GET /cached/<name>", access=public, returns=Ping, cache=60)
def cached(_call: Call, name: str) -> Ping:
    """Answer for a while."""
    assert name
    return Ping()


@pytest.fixture
def serve(instance: Instance) -> Callable[..., Any]:
    return lambda **settings: serving(ping, cached, wired=instance.wired, **settings).test_client()


def test_an_endpoint_that_is_exempt_answers_under_any_host(serve: Callable[..., Any]) -> None:
    client = serve(ALLOWED_HOSTS="auth.example.com")

    for host in ("evil.example", "", "a b"):
        assert client.get("/ping", environ_overrides={"HTTP_HOST": host}).status_code == 200
        assert client.get("/cached/a", environ_overrides={"HTTP_HOST": host}).status_code == 400
        assert client.post("/ping", environ_overrides={"HTTP_HOST": host}).status_code == 400


def test_every_reply_carries_the_headers_of_safety_and_its_id(serve: Callable[..., Any]) -> None:
    client = serve()
    for response in (
        client.get("/ping"),
        client.get("/nowhere"),
        client.post("/ping"),
        client.options("/ping"),
        client.head("/ping"),
    ):
        sent = response.headers
        assert re.fullmatch("[0-9a-f]{32}", sent["X-Request-ID"])
        assert sent["Cache-Control"] == "no-store"
        assert sent["X-Content-Type-Options"] == "nosniff"
        assert sent["Referrer-Policy"] == "no-referrer"
        assert sent["X-Frame-Options"] == "DENY"
        assert sent["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert len(sent.getlist("Cache-Control")) == len(sent.getlist("Content-Security-Policy")) == 1


def test_a_cacheable_reply_says_so_and_its_failure_does_not(serve: Callable[..., Any]) -> None:
    client = serve(ALLOWED_HOSTS="localhost")

    assert client.get("/cached/a").headers["Cache-Control"] == "public, max-age=60"
    assert client.get("/cached/a", headers={"Host": "evil.example"}).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("url", "value"), [("https://auth.example.com", "max-age=63072000"), ("http://localhost:5000", None)]
)
def test_hsts_is_sent_where_https_is_served(url: str, value: str | None, serve: Callable[..., Any]) -> None:
    assert serve(PUBLIC_URL=url).get("/ping").headers.get("Strict-Transport-Security") == value


@endpoint("GET /ready", access=public, probe=True, returns=Ping, raises=(Unavailable,))
def ready(_call: Call) -> Ping:
    """Answer, or fail."""
    if request.args:
        raise Unavailable
    return Ping()


def test_a_failed_probe_is_logged_and_a_successful_one_only_at_debug_level(instance: Instance) -> None:
    client = serving(ready, ping, wired=instance.wired).test_client()
    with capture_logs() as logged:
        client.get("/ready")
        client.get("/ready?fail=1")
        client.post("/ready")
        client.get("/ping")
    lines = [(line["log_level"], line["status"]) for line in logged if line["event"] == "request"]
    assert lines == [("debug", 200), ("info", 503), ("info", 405), ("info", 200)]


def test_a_request_is_one_event_in_the_log_that_holds_nothing_that_was_sent(serve: Callable[..., Any]) -> None:
    client = serve()
    with capture_logs() as logged:
        client.get("/cached/planted?planted=planted", headers={"User-Agent": "planted", "X-Request-ID": "planted-id"})
        client.open("/planted", method="PLANTED-METHOD-OF-SOME-LENGTH")

    first, second = logged
    assert first.pop("ms") >= 0
    assert len(first.pop("request_id")) == 32
    assert first == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "route": "/cached/<name>",
        "status": 200,
        "user_id": None,
        "ip": "127.0.0.1",
    }
    assert (second["method"], second["route"], second["status"]) == ("?", None, 404)
