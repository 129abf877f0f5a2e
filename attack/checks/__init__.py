"""The checks, by what they examine. A new module is one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack.checks import (
    bodies,
    caching,
    enumeration,
    exposure,
    guessing,
    methods,
    oauth,
    oauth_clients,
    paths,
    replies,
    smuggling,
    tls,
    tokens,
)

if TYPE_CHECKING:
    from attack.check import Check

CHECKS: tuple[Check, ...] = (
    *tls.CHECKS,
    *replies.CHECKS,
    *exposure.CHECKS,
    *tokens.CHECKS,
    *oauth.CHECKS,
    *oauth_clients.CHECKS,
    *bodies.CHECKS,
    *methods.CHECKS,
    *caching.CHECKS,
    *paths.CHECKS,
    *smuggling.CHECKS,
    *enumeration.CHECKS,
    *guessing.CHECKS,
)
"""In the order in which they run: those that fill counters of the deployment are last."""
