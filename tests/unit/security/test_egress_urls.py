"""A URL that others name is taken apart in one way, or refused."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from app.security.egress_urls import LONGEST, read_url


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "authority"),
    [
        ("https://Hooks.Example.com", "hooks.example.com", 443, "/", "hooks.example.com"),
        ("HTTPS://a.test:8443/b/../c?d=/e?f", "a.test", 8443, "/b/../c?d=/e?f", "a.test:8443"),
        ("https://a.test:443//b", "a.test", 443, "//b", "a.test"),
        ("https://a.test?b", "a.test", 443, "/?b", "a.test"),
        ("https://a.test/?", "a.test", 443, "/?", "a.test"),
        ("http://a.test/@b:c", "a.test", 80, "/@b:c", "a.test"),
        ("https://xn--bcher-kva.example/%C3%BC", "xn--bcher-kva.example", 443, "/%C3%BC", "xn--bcher-kva.example"),
        ("https://my_host-1", "my_host-1", 443, "/", "my_host-1"),
        ("https://127.0.0.1:9000/", "127.0.0.1", 9000, "/", "127.0.0.1:9000"),
        ("https://[::1]:9000/", "::1", 9000, "/", "[::1]:9000"),
        ("https://[FD00::1]/", "fd00::1", 443, "/", "[fd00::1]"),
    ],
)
def test_a_url_is_taken_apart_and_its_path_left_as_it_was_written(
    text: str, host: str, port: int, target: str, authority: str
) -> None:
    url = read_url(text)
    assert (url.host, url.port, url.target, url.authority) == (host, port, target, authority)


def test_an_address_is_known_as_one_and_a_mapped_one_as_that_of_ipv4() -> None:
    assert read_url("https://1.1.1.1").address == ip_address("1.1.1.1")
    assert read_url("https://[::ffff:127.0.0.1]").address == ip_address("127.0.0.1")
    assert read_url("https://one.one.one.one").address is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((text, "has to begin with https://") for text in ("", "a.test", "//a.test", "ftp://a.test", "file:///a")),
        *((text, "has to begin with https://") for text in ("gopher://a.test", "unix:/a", "javascript:a")),
        *((f"https://{text}/", "has to come without user name") for text in ("a@b.test", "a:b@c.test", "@a.test")),
        ("https://a.test#@b.test", "has to come without a fragment"),
        *((f"https://a.test/{text}", "has to consist of") for text in ("\\b", " ", "\n", "\t", "\x00", "\x7f", "ü")),
        *(
            (f"https://{text}/", "has to consist of")
            for text in ("a\\@b.test", "a.test\r\nb", "bücher.test", "①.1.1.1")
        ),
        *((f"https://{text}", "has to have a host, and a port") for text in ("", "/a.test", ":443", "?a", "a%2eb")),
        *((f"https://a.test:{text}/", "has to have a host, and") for text in ("", "0", "65536", "-1", "4a", "999999")),
        *((f"https://{text}/", "has to have a host") for text in ("a,b", "a;b", "a.test:1:2", "::1", "[::1%25eth0]")),
        *((f"https://{text}/", "has to have a host name") for text in ("a.test.", ".", ".a", "a..b", "-a.test", "a-")),
        *((f"https://{text}/", "has to have a host name") for text in ("1.1.1.1.", "a" * 64, "a." * 127 + "test")),
        *((f"https://{text}/", "has to have a host name") for text in ("2130706433", "0x7f000001", "0x7F.0.0.1")),
        *((f"https://{text}/", "has to have a host name") for text in ("127.1", "0177.0.0.1", "127.0.0.0x1", "1")),
        *(
            (f"https://{text}/", "has to have a host name")
            for text in ("256.1.1.1", "1.1.1.1.1", "0x", "a.0x7f", "a.1")
        ),
        *((f"https://{text}/", "has to") for text in ("[127.0.0.1]", "[a.test]", "[::1", "::1]", "[]", "[::1]a")),
        ("https://a.test/" + "a" * LONGEST, "has to be at most"),
    ],
)
def test_what_two_readers_might_read_differently_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^has to") as refused:
        read_url(text)
    assert str(refused.value).startswith(reason)
