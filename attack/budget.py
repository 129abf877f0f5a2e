"""How much the attack may ask for: requests in all, requests a second, and seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


class SpentError(Exception):
    """A bound was reached; the message says which."""


@dataclass
class Budget:
    """Counts requests and paces them. Each of its bounds holds for one run."""

    requests: int
    per_second: float
    seconds: float
    used: int = 0
    began: float = field(default_factory=time.monotonic)
    _next: float = 0.0

    def take(self) -> None:
        """Count one request, and wait until it may be sent. Raises SpentError if a bound is reached."""
        if self.used >= self.requests:
            raise SpentError(f"the bound of {self.requests} requests was reached")
        now = time.monotonic()
        self._next = max(self._next, now) + 1 / self.per_second
        self.pause(self._next - 1 / self.per_second - now)
        self.used += 1

    def pause(self, seconds: float) -> None:
        """Wait. Raises SpentError at once if that would last longer than the run may."""
        if time.monotonic() + seconds > self.began + self.seconds:
            raise SpentError(f"the bound of {self.seconds:.0f} seconds was reached")
        if seconds > 0:
            time.sleep(seconds)

    def extend(self, requests: int, seconds: float) -> None:
        """Allow this many more requests, within this many seconds from now: to delete what the run has made."""
        self.requests = self.used + requests
        self.seconds = time.monotonic() - self.began + seconds
