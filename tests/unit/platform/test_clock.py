"""The time is one that every store keeps exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.platform import clock


def test_the_time_is_aware_in_utc_and_in_whole_milliseconds() -> None:
    before = datetime.now(UTC)
    now = clock.now()
    after = datetime.now(UTC)

    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0
    assert before - timedelta(milliseconds=1) < now <= after
