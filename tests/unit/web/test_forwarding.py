"""The forms in which load balancers name their clients, and what is logged of those that are not understood."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.web.forwarding import client_finder

PROXIES = tuple(ip_network(network) for network in ("10.0.0.0/8", "34.117.0.1/32", "2001:db8:1::/48"))
PROXY = "10.0.0.1"


def found(*, finder: Any = None, **headers: str) -> str:
    """The address that is taken for the client's, of a request that a trusted proxy hands over with these headers."""
    environ = {"REMOTE_ADDR": PROXY, **{f"HTTP_{name}": value for name, value in headers.items()}}
    trusted, client = (finder or client_finder(PROXIES))(environ)
    assert trusted
    return str(client)


@pytest.mark.parametrize(
    ("value", "client"),
    [
        # AWS: an ALB, also with routing.http.xff_client_port.enabled.
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        # Azure Application Gateway: always with a port.
        ("198.51.100.1:1, 203.0.113.9:65535", "203.0.113.9"),
        # Google Cloud: the client, then the balancer's own address, which is a trusted proxy.
        ("198.51.100.1,203.0.113.9,34.117.0.1", "203.0.113.9"),
        # Cloudflare in front of another proxy.
        ("2001:db8::9, 10.1.2.3:443", "2001:db8::9"),
        # Others: brackets without a port, quotes, an address of IPv4 in the form of IPv6, a zone.
        ("[2001:db8::9]", "2001:db8::9"),
        ('"[2001:DB8::9]:4711"', "2001:db8::9"),
        ("[::ffff:203.0.113.9]:4711", "203.0.113.9"),
        ("[fe80::9%eth0]:4711", "fe80::9"),
        ("[2001:db8::9]:_hidden, [2001:db8:1::5]:443", "2001:db8::9"),
        ("203.0.113.9, [::ffff:10.0.0.2]:80", "203.0.113.9"),
    ],
)
def test_x_forwarded_for_is_understood_as_load_balancers_send_it(value: str, client: str) -> None:
    with capture_logs() as logged:
        assert found(X_FORWARDED_FOR=value) == client
    assert logged == []


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ("For=203.0.113.9;Proto=https;by=10.0.0.1", "203.0.113.9"),
        ('for="203.0.113.9:4711"', "203.0.113.9"),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ('by="[2001:db8:1::1]"; for="[2001:db8::9]" ; host="auth.example.com:443"', "2001:db8::9"),
        ("for=198.51.100.1, for=203.0.113.9;proto=https, for=10.0.0.2", "203.0.113.9"),
        ('for=198.51.100.1,for="203.0.113.9",', "203.0.113.9"),
        # Without the quotes that RFC 7239 section 4 asks for.
        ("for=203.0.113.9:4711;host=auth.example.com:443", "203.0.113.9"),
        ("for=[2001:db8::9]:4711", "2001:db8::9"),
        # What the client sent itself swallows nothing of what the proxy added, nor does what it said of the host.
        ('for="198.51.100.1, for=203.0.113.9', "203.0.113.9"),
        ('for=198.51.100.1;host=", for="203.0.113.9:4711"', "203.0.113.9"),
    ],
)
def test_forwarded_is_understood_as_rfc_7239_has_it(value: str, client: str) -> None:
    with capture_logs() as logged:
        assert found(FORWARDED=value) == client
    assert logged == []


@pytest.mark.parametrize(
    "value",
    [
        *("203.0.113.9;4711", "203.0.113.9:", "203.0.113.9:123456", "[2001:db8::9", "[localhost]", "unknown"),
        *("2001:db8::9]:80", "[2001:db8::9]80", '"203.0.113.9', "for=203.0.113.9", "tcp:203.0.113.9", "x" * 9000),
    ],
)
def test_what_is_not_understood_is_logged_once_and_shows_nothing_of_what_it_says(value: str) -> None:
    finder = client_finder(PROXIES)
    with capture_logs() as logged:
        for _ in range(3):
            assert found(finder=finder, X_FORWARDED_FOR=f"198.51.100.1, {value}") == PROXY
            assert found(finder=finder, X_FORWARDED_FOR=f"{value}, 10.0.0.2") == "10.0.0.2"
    (line,) = logged
    assert (line["log_level"], line["event"], line["problem"]) == ("warning", "forwarding header", "not an address")
    assert (line["header"], line["proxy"]) == ("X-Forwarded-For", PROXY)
    assert "docs/deployment.md" in line["remedy"]
    assert len(line["form"]) <= 64
    assert not set(line["form"]) & set("123456789bdfmnopr")


@pytest.mark.parametrize(
    "value",
    [
        *("for=unknown", "for=_hidden", "for=", "by=10.0.0.1", "203.0.113.9", "for=203.0.113.9;for=198.51.100.1"),
        *("for=203.0.113.9;", "for=203.0.113.9;x", 'for=203.0.113.9;host="a', 'for=203.0.113.9"', "for =203.0.113.9"),
        'for=198.51.100.1;host="x, for=203.0.113.9;proto=https"',  # a host that the client chose
        'for=198.51.100.1;host="x,for=203.0.113.9"',
    ],
)
def test_an_element_of_forwarded_that_is_not_in_order_is_not_believed_and_is_logged(value: str) -> None:
    with capture_logs() as logged:
        assert found(FORWARDED=value) == PROXY
    assert [(line["problem"], line["header"]) for line in logged] == [("not an address", "Forwarded")]


@pytest.mark.parametrize("name", ["X_REAL_IP", "CF_CONNECTING_IP", "TRUE_CLIENT_IP", "X_AZURE_CLIENTIP", "X_CLIENT_IP"])
def test_a_header_without_a_chain_is_not_believed_and_that_is_logged_once(name: str) -> None:
    finder = client_finder(PROXIES)
    with capture_logs() as logged:
        assert [found(finder=finder, **{name: "203.0.113.9"}) for _ in range(3)] == [PROXY] * 3
        assert found(finder=finder, X_FORWARDED_FOR="198.51.100.1", **{name: "203.0.113.9"}) == "198.51.100.1"
    assert [line["problem"] for line in logged] == ["not read"]


def test_of_two_headers_x_forwarded_for_is_believed_and_that_they_differ_is_logged_once() -> None:
    finder = client_finder(PROXIES)
    with capture_logs() as logged:
        assert found(finder=finder, X_FORWARDED_FOR="203.0.113.9:1", FORWARDED='for="203.0.113.9:2"') == "203.0.113.9"
        assert logged == []
        for _ in range(2):
            assert found(finder=finder, X_FORWARDED_FOR="203.0.113.9", FORWARDED="for=198.51.100.1") == "203.0.113.9"
    assert [line["problem"] for line in logged] == ["two headers that differ"]


def test_a_request_without_any_such_header_is_the_proxys_own_and_no_warning() -> None:
    with capture_logs() as logged:
        assert found() == PROXY
        assert found(X_FORWARDED_FOR=" , ", FORWARDED="") == PROXY
    assert logged == []


@given(st.text(alphabet='for=by;",:[]%_\\ 0123456789abcdef.', max_size=60))
def test_no_header_names_anything_but_an_address(value: str) -> None:
    finder = client_finder(PROXIES)
    with capture_logs():
        for client in (found(finder=finder, X_FORWARDED_FOR=value), found(finder=finder, FORWARDED=value)):
            assert client == PROXY or str(ip_network(client).network_address) == client
