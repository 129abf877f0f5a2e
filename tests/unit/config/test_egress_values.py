"""EGRESS_ALLOW: addresses and networks, each with an optional port."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from app import config
from app.config.egress_values import Destination, destination
from tests.api.service import SETTINGS


@pytest.mark.parametrize(
    ("text", "network", "port"),
    [
        ("127.0.0.1", "127.0.0.1/32", None),
        ("127.0.0.1:9000", "127.0.0.1/32", 9000),
        ("10.1.0.0/16", "10.1.0.0/16", None),
        ("10.1.0.0/16:65535", "10.1.0.0/16", 65535),
        ("::1", "::1/128", None),
        ("[::1]", "::1/128", None),
        ("[::1]:1", "::1/128", 1),
        ("fd00::/8", "fd00::/8", None),
        ("[fd00::]/8:443", "fd00::/8", 443),
        ("[fd00::/8]:443", "fd00::/8", 443),
        ("fd00::1:9000", "fd00::1:9000/128", None),
    ],
)
def test_a_destination_is_an_address_or_a_network_with_an_optional_port(
    text: str, network: str, port: int | None
) -> None:
    assert destination(text) == Destination(ip_network(network), port)


@pytest.mark.parametrize(
    "text",
    [
        *("", "localhost", "hooks.example.com:443", "10.1.0.1/16", "127.1", "http://127.0.0.1", "*"),
        *(
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "127.0.0.1:-1",
            "127.0.0.1:http",
            "127.0.0.1:\N{DIGIT NINE}x",
        ),
        *("[::1", "::1]", "[::1]:", "[::1]90", "[]:1", "[::1]:0"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has to"):
        destination(text)


def test_the_setting_is_a_list_and_empty_by_default() -> None:
    assert config.load(SETTINGS, dotenv=None).egress.allow == ()
    settings = config.load(SETTINGS | {"EGRESS_ALLOW": "127.0.0.1:9000, 10.1.0.0/16"}, dotenv=None)
    assert settings.egress.allow == (destination("127.0.0.1:9000"), destination("10.1.0.0/16"))
    with pytest.raises(config.ConfigurationError, match=r"^EGRESS_ALLOW: entry 2 has to be an address or a network"):
        config.load(SETTINGS | {"EGRESS_ALLOW": "127.0.0.1,localhost"}, dotenv=None)
