"""The time, passed in wherever a rule depends on it, so that a test can set it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Gives the present time: aware, in UTC, in whole milliseconds (what every store keeps exactly)."""


def now() -> datetime:
    """The present time by the system's clock."""
    instant = datetime.now(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
