"""The login throttle: after several failures in a row, the next login of the same name has to wait.

The name is counted as it was submitted, whether an account has it or not, so that the throttle tells nothing.
Sources: NIST SP 800-63B-4 section 3.2.2 (at most 100 failures in a row), OWASP ASVS 5.0 section 6.3.1.
"""

from __future__ import annotations

import hmac
import math
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from app.errors import TooManyRequests, Unavailable
from app.models.login_failures import FailureCount

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.clock import Clock
    from app.models.login_failures import LoginFailures
    from app.security.secret_keys import SecretKeys

FREE = 9
"""Failures in a row that have no consequence: the tenth brings a delay of a second, each further one doubles it."""
LONGEST_DELAY = timedelta(minutes=15)
MOST = 50
"""Failures in a row after which the name is refused until the count is forgotten: an account has two names, an e-mail
address and a user name, which makes the 100 of NIST for it."""
MOST_CODES = 100
"""Wrong codes in a row for one address, after which its codes are dead."""
FORGOTTEN_AFTER = timedelta(days=1)
"""How long after the last failure the count is kept."""
_ATTEMPTS = 1000


class Throttle:
    """Counts the failed logins of each name, exactly, over all instances.

    A login asks `check` before the password is verified and `fail` or `succeed` after. Both look again, so that of
    many guesses at once only as many get an answer as would have one after the other.
    """

    def __init__(
        self,
        failures: LoginFailures,
        secrets: SecretKeys,
        clock: Clock,
        *,
        enabled: bool = True,
        of: str = "login failures",
        delay: Callable[[int], timedelta] | None = None,
    ) -> None:
        """`of` keeps what is counted apart; `delay` gives how long a name is refused after so many failures."""
        self._failures = failures
        self._key = secrets.current.derive(f"latchkey {of}")
        self._clock = clock
        self._enabled = enabled
        self._delay = delay or delay_after

    def check(self, name: str) -> None:
        """Raises TooManyRequests, with the seconds to wait, while logins of this name are refused."""
        if self._enabled:
            self._admitted(self._digest(name))

    def fail(self, name: str) -> None:
        """Count a failure. Raises TooManyRequests if logins of this name are refused by now: it is not counted."""
        if not self._enabled:
            return
        key = self._digest(name)
        for _ in range(_ATTEMPTS):
            seen = self._admitted(key)
            now = self._clock()
            forgotten = seen is None or seen.expires_at <= now
            count = 1 if seen is None or forgotten else seen.count + 1
            to = FailureCount(count, now + self._delay(count), now + FORGOTTEN_AFTER)
            if self._failures.advance(key, seen, to):
                return
        raise Unavailable

    def succeed(self, name: str) -> None:
        """Forget the failures. Raises TooManyRequests if logins of this name are refused by now."""
        if not self._enabled:
            return
        key = self._digest(name)
        for _ in range(_ATTEMPTS):
            seen = self._admitted(key)
            if seen is None or self._failures.clear(key, seen):
                return
        raise Unavailable

    def forget(self, name: str) -> None:
        """Forget the failures, also those of a name that is refused by now: its owner has proven himself otherwise."""
        key = self._digest(name)
        for _ in range(_ATTEMPTS):
            seen = self._failures.get(key)
            if seen is None or self._failures.clear(key, seen):
                return
        raise Unavailable

    def _admitted(self, key: str) -> FailureCount | None:
        """The count of a name whose logins are not refused at present."""
        seen = self._failures.get(key)
        now = self._clock()
        if seen is not None and now < seen.blocked_until and now < seen.expires_at:
            raise TooManyRequests(retry_after=math.ceil((seen.blocked_until - now).total_seconds()))
        return seen

    def _digest(self, name: str) -> str:
        # Hashed, because people type passwords into the wrong field.
        return hmac.new(self._key, name.encode(), sha256).hexdigest()


def delay_of_codes(count: int) -> timedelta:
    """How long mailed codes of an address are refused after so many wrong ones: not at all, then for good.

    NIST SP 800-63B-4 section 3.2.2; the codes themselves live no longer than a count is kept.
    """
    return FORGOTTEN_AFTER if count >= MOST_CODES else timedelta(0)


def delay_after(count: int) -> timedelta:
    """How long logins of a name are refused after so many failures in a row."""
    if count >= MOST:
        return FORGOTTEN_AFTER
    if count <= FREE:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(count - FREE - 1, 30)), LONGEST_DELAY)
