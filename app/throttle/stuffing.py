"""Credential stuffing: many accounts, a password or two each, from many addresses.

No count of one account shows it. So distinct pairs of account and client address that fail are counted, across all
instances: STUFFING_PAIRS of them within `WINDOW` are a wave. It lasts until `LASTS` after the last window with as many,
and ends by itself. In a wave the delays of unknown devices begin with the second failure
(`app.throttle.service.delay_in_a_wave`); known devices notice nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from app.platform.instrumentation import NOBODY
from app.platform.sites import site_of
from app.throttle.model import FailureCount

if TYPE_CHECKING:
    from datetime import datetime

    from app.platform.clock import Clock
    from app.platform.instrumentation import Observer
    from app.throttle.counts import Counts

WINDOW: Final = timedelta(minutes=10)
LASTS: Final = timedelta(hours=1)
_log = structlog.get_logger("latchkey.throttle")


@dataclass(frozen=True, slots=True)
class Stuffing:
    """Notices waves of stuffing."""

    counts: Counts
    clock: Clock
    pairs: int
    observer: Observer = NOBODY

    def note(self, subject: str, ip: str) -> bool:
        """Count a login that failed, whether there is an account or not; returns whether a wave is under way.

        Each pair counts once in `WINDOW`, exactly, however many fail at once. Raises Unavailable.
        """
        if self._is_new(f"pair {subject} {site_of(ip)}"):
            self._count()
        wave = self.counts.get(_WAVE)
        return wave is not None and self.clock() < wave.expires_at

    def _is_new(self, pair: str) -> bool:
        is_new = False

        def seen_now(seen: FailureCount | None) -> FailureCount | None:
            nonlocal is_new
            now = self.clock()
            is_new = seen is None or seen.expires_at <= now
            return FailureCount(1, now, now + WINDOW) if is_new else None

        self.counts.change(pair, seen_now)
        return is_new

    def _count(self) -> None:
        def counted(seen: FailureCount | None) -> FailureCount:
            now = self.clock()
            if seen is None or seen.expires_at <= now:
                return FailureCount(1, now, now + WINDOW)
            return FailureCount(seen.count + 1, seen.blocked_until, seen.expires_at)

        window = self.counts.change(_PAIRS_NOW, counted)
        # Also at each multiple: should a crash come between the two writes, it is made up for.
        if window is not None and window.count % self.pairs == 0:
            self._raise(window.count)

    def _raise(self, count: int) -> None:
        began, until = False, self.clock() + LASTS

        def raised(seen: FailureCount | None) -> FailureCount | None:
            nonlocal began
            now: datetime = self.clock()
            began = seen is None or seen.expires_at <= now
            return FailureCount(1 if seen is None else seen.count + 1, until, until)

        self.counts.change(_WAVE, raised)
        if began:
            _log.warning("stuffing noticed", pairs=count, until=until.isoformat())
            self.observer.stuffing_noticed()


_WAVE: Final = "wave"
_PAIRS_NOW: Final = "pairs now"
