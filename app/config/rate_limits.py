"""The section of the rate limits: each has a setting, whose default is the limit."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator

from app.config.section import Section, setting

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(rf"([1-9][0-9]{{0,6}})/({'|'.join(_UNITS)})")


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    requests: int
    seconds: int

    def __str__(self) -> str:
        """As it is written in a setting."""
        unit = next(unit for unit, seconds in _UNITS.items() if seconds == self.seconds)
        return f"{self.requests}/{unit}"


def rate(text: object) -> Rate:
    """A text like 30/minute as a rate; ValueError for any other."""
    if isinstance(text, Rate):
        return text
    match = _RATE.fullmatch(str(text).strip())
    if match is None:
        raise ValueError("has to be a number of requests, a slash, and second, minute, hour or day")
    return Rate(int(match[1]), _UNITS[match[2]])


_Rate = Annotated[Rate, BeforeValidator(rate)]


def _limit(name: str, default: str, what: str) -> _Rate:
    found = rate(default)
    made: _Rate = setting(
        f"RATE_LIMIT_{name}", found, f"{what} The name of the policy is in the header RateLimit-Policy.",
        example=str(Rate(found.requests // 2, found.seconds)), default_text=default,
    )  # fmt: skip
    return made


class RateLimits(Section):
    """How many requests each client address, and each session, may send."""

    login: _Rate = _limit("LOGIN", "100/minute", "Logins.")
    register_: _Rate = _limit("REGISTER", "300/hour", "Registrations.")
    refresh: _Rate = _limit("REFRESH", "300/minute", "Exchanges of refresh tokens.")
    redeem: _Rate = _limit("REDEEM", "60/minute", "Uses of mailed codes and links, and their pages' forms.")
    mail: _Rate = _limit("MAIL", "60/hour", "Requests that send a mail.")
    invite: _Rate = _limit("INVITE", "200/hour", "Invitations.")
    factors: _Rate = _limit("FACTORS", "60/minute", "Changes of second factors.")
    explain: _Rate = _limit("EXPLAIN", "60/minute", "Requests to explain a token.")
    leaked_key: _Rate = _limit("LEAKED_KEY", "60/minute", "Reports of leaked API keys.")
    impersonate: _Rate = _limit("IMPERSONATE", "30/hour", "Impersonations that administrators begin.")
    authorize: _Rate = _limit("AUTHORIZE", "120/minute", "Authorization requests of clients.")
    token: _Rate = _limit("TOKEN", "300/minute", "Requests of clients for tokens, and to revoke them.")
    introspect: _Rate = _limit("INTROSPECT", "6000/minute", "Introspections of tokens.")
    device: _Rate = _limit("DEVICE", "30/minute", "Device codes asked for, and codes entered on the page for them.")
    register_client: _Rate = _limit("REGISTER_CLIENT", "10/minute", "Clients that register themselves.")
    provider: _Rate = _limit("PROVIDER", "30/minute", "Logins by way of an upstream provider.")
