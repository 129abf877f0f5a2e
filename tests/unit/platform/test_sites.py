"""Which addresses count as one client."""

import pytest

from app.platform.sites import site_of


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address: at all", "no address: at all"),
        ("", ""),
    ],
)
def test_a_subscriber_of_ipv6_counts_as_one_client(address: str, site: str) -> None:
    assert site_of(address) == site
