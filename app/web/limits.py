"""Rate limits: which there are, and how a request is counted against the one of its endpoint.

A request counts for its client address, and for its session if it has one: each of them may send as many as the limit
says. What counts for a submitted account is counted in the store, exactly, and so that a stranger cannot use it up
against the owner: wrong passwords and guesses of codes (`app/throttle`), and mails (`app/recovery/allowance.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from app.config.rate_limits import RateLimits
from app.config.section import Section, name_of
from app.platform.errors import TooManyRequests
from app.platform.sites import site_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.config.rate_limits import Rate
    from app.web.exchange import RequestState
    from app.web.rates import Rates, Standing

Partition: TypeAlias = Literal["address", "session"]
_PREFIX: Final = "RATE_LIMIT_"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` in `seconds`; clients see the name."""

    name: str
    requests: int
    seconds: int

    @property
    def policy(self) -> str:
        """The value of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.requests};w={self.seconds}'

    def standing(self, standing: Standing) -> str:
        """The value of `RateLimit`."""
        return f'"{self.name}";r={standing.left};t={standing.seconds}'


def limits_of(settings: RateLimits) -> dict[str, Limit]:
    """The limits of an instance, by name."""
    limits = {}
    for attribute, field in RateLimits.model_fields.items():
        if attribute not in Section.model_fields:
            name = name_of(field).removeprefix(_PREFIX).lower().replace("_", "-")
            given: Rate = getattr(settings, attribute)
            limits[name] = Limit(name, given.requests, given.seconds)
    return limits


LIMITS: Final = limits_of(RateLimits.model_validate({}))
"""The limits that hold if no setting says otherwise."""


def counter(rates: Rates, limit: Limit | None) -> Callable[[RequestState, Partition, str], None]:
    """Returns the function that counts a request for its address or its session; without a limit it does nothing.

    The reply tells the count that is nearest to the limit. Raises TooManyRequests beyond it.
    """
    if limit is None:
        return lambda _state, _partition, _who: None

    def count(state: RequestState, partition: Partition, who: str) -> None:
        counted = site_of(who) if partition == "address" else who
        standing = rates.take(f"{limit.name} {partition}", counted, limit.requests, limit.seconds)
        if state.standing is None or standing.left <= state.standing[1].left:
            state.standing = (limit, standing)
        if not standing.allowed:
            raise TooManyRequests(retry_after=standing.seconds)

    return count
