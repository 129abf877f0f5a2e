"""The rate limits that endpoints declare: how many requests one client address may send."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` in `seconds` from one client address."""

    name: str
    requests: int
    seconds: int


LIMITS = {
    limit.name: limit
    for limit in (
        Limit("register", requests=20, seconds=3600),
        Limit("refresh", requests=300, seconds=60),
        Limit("explain", requests=60, seconds=60),
        Limit("login", requests=100, seconds=60),
        Limit("mail", requests=20, seconds=3600),
        Limit("impersonate", requests=30, seconds=3600),
        Limit("invite", requests=200, seconds=3600),
        Limit("redeem", requests=60, seconds=60),
        Limit("leaked-key", requests=60, seconds=60),
    )
}
