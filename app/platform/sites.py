"""What counts as one client where addresses are counted."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

_BITS_OF_A_NETWORK: Final = 64
"""A subscriber of IPv6 has at least 2^64 addresses (RFC 6177), and so may use a new one for each request."""


def site_of(address: str) -> str:
    """An address of IPv4, the network of an address of IPv6, or the text if it is neither."""
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        plain = parsed.ipv4_mapped
        return str(plain or IPv6Network((int(parsed), _BITS_OF_A_NETWORK), strict=False))
    return address
