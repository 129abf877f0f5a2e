"""Counts failed attempts, and makes guessers wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.feature import Feature
from app.security.secret_keys import SecretKeys
from app.throttle.counts import Counts
from app.throttle.guesses import Guesses
from app.throttle.model import LoginFailures
from app.throttle.service import PasswordThrottle

if TYPE_CHECKING:
    from app.platform.container import Container


def _throttle(parts: Container) -> PasswordThrottle:
    enabled = parts.settings.server.rate_limits
    return PasswordThrottle.over(parts.get(LoginFailures), parts.get(SecretKeys), parts.clock, enabled=enabled)


def _guesses(parts: Container) -> Guesses:
    return Guesses(Counts(parts.get(LoginFailures), parts.get(SecretKeys), "code guesses"), parts.clock)


FEATURE = Feature(
    services={PasswordThrottle: _throttle, Guesses: _guesses},
    repositories=(LoginFailures,),
    expires=(LoginFailures,),
)
