"""Only an address of a host on the internet is public, however it is written."""

from __future__ import annotations

import pytest

from app.security.public_addresses import address_of, is_public


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1",
        "9.255.255.255",
        "100.63.255.255",
        "172.32.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
    ],
)
def test_an_address_of_the_internet_is_public(text: str) -> None:
    assert is_public(address_of(text))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "0.0.0.0",  # noqa: S104 - the subject
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
        ),
        *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
        *("192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "168.63.129.16"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1"),
        *("100::1", "5f00::1", "3fff::1", "2001:db8::1", "2001::1", "2001:2::1", "2001:20::1"),
        "::ffff:127.0.0.1",  # mapped
        "::ffff:10.0.0.1",
        "::127.0.0.1",  # compatible
        "::ffff:0:127.0.0.1",  # translated
        "64:ff9b::127.0.0.1",  # NAT64
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1.1.1.1",
        "2002:7f00:1::",  # 6to4
        "2002:101:101::1",
        "2001:0:101:101::1",  # Teredo
        "2606:4700::1111%eth0",
    ],
)
def test_every_other_address_is_not(text: str) -> None:
    assert not is_public(address_of(text))


@pytest.mark.parametrize("text", ["", "1", "127.1", "0177.0.0.1", "0x7f000001", "1.1.1.1.", "[::1]", "localhost"])
def test_what_is_no_address_in_its_usual_form_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        address_of(text)
