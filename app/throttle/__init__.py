"""Counts failed attempts, and makes guessers wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.feature import Feature
from app.security.secret_keys import SecretKeys
from app.throttle.counts import Counts
from app.throttle.device_tokens import DeviceTokens
from app.throttle.guesses import Guesses
from app.throttle.model import LoginFailures
from app.throttle.service import PasswordThrottle

if TYPE_CHECKING:
    from app.platform.container import Container


def _throttle(parts: Container) -> PasswordThrottle:
    settings = parts.settings
    return PasswordThrottle.over(
        parts.get(LoginFailures),
        parts.get(SecretKeys),
        parts.clock,
        enabled=settings.server.rate_limits,
        by_name=settings.accounts.hide_accounts,
        pairs=settings.server.stuffing_pairs,
        observer=parts.observer,
    )


def _guesses(parts: Container) -> Guesses:
    return Guesses(Counts(parts.get(LoginFailures), parts.get(SecretKeys), "code guesses"), parts.clock)


FEATURE = Feature(
    services={
        PasswordThrottle: _throttle,
        DeviceTokens: lambda parts: DeviceTokens(
            parts.get(SecretKeys), parts.clock, parts.settings.accounts.factor_trust_days
        ),
        Guesses: _guesses,
    },
    repositories=(LoginFailures,),
    erase=lambda parts: parts.get(PasswordThrottle).erase,
    expires=(LoginFailures,),
)
