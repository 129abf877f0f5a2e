"""The throttle of passwords: after several failures in a row attempts have to wait, and in the end all are refused.

Passwords of an account can be guessed in three places. Their limits add up to the 100 failures in a row of NIST SP
800-63B-4 section 3.2.2:

- a name at login: 40. The submitted name is counted, whether an account has it or not, so that the throttle reveals
  nothing;
- the account that the names lead to: 80, for the two names that it can have at a time. Only an account that is renamed
  in between reaches this limit. For a name without an account the same is counted;
- the password that a logged-in user has to confirm: 20, by account. A wrong one delays logins, too, but not the other
  way round: failed logins must not keep the owner from changing the password.

The right password in any of these places, or a reset by mail, clears the failures. Source of the delays: OWASP ASVS
5.0 section 6.3.1.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from app.platform.errors import TooManyRequests
from app.throttle.counts import Counts
from app.throttle.model import FailureCount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.platform.clock import Clock
    from app.security.secret_keys import SecretKeys
    from app.throttle.model import LoginFailures

FREE = 9
"""Failures in a row without a delay: the tenth brings a delay of one second, and each further one doubles it."""
LONGEST_DELAY = timedelta(minutes=15)
QUICK = 30
"""Failures in a row after which each delay is a day, or, from the sixth such delay on, a week: six weeks in all."""
MOST = 40
"""Failures in a row after which a name is refused until the count is forgotten."""
MOST_OF_ACCOUNT = 2 * MOST
MOST_CONFIRMATIONS = 20
FORGOTTEN_AFTER = timedelta(days=365)
"""How long after the last failure the count is kept. With one day, guessing could go on forever."""


class Throttle:
    """Counts the failures of each name exactly, across all instances.

    An attempt calls `check` before the password is verified, and `fail` or `succeed` afterwards. Both check again, so
    that concurrent guesses get no more answers than sequential ones.
    """

    def __init__(
        self,
        failures: LoginFailures,
        secrets: SecretKeys,
        clock: Clock,
        *,
        enabled: bool = True,
        namespace: str = "login failures",
        delay: Callable[[int], timedelta] | None = None,
    ) -> None:
        """`namespace` keeps the counters apart; `delay(n)` is the lock-out after n failures."""
        self._counts = Counts(failures, secrets, namespace)
        self._clock = clock
        self._enabled = enabled
        self._delay = delay or delay_after

    def check(self, name: str) -> None:
        """Raises TooManyRequests, with the seconds to wait, while this name is refused."""
        if self._enabled:
            self._admit(self._counts.get(name))

    def fail(self, name: str) -> None:
        """Count a failure. Raises TooManyRequests, and counts nothing, if this name is refused by now."""

        def counted(seen: FailureCount | None) -> FailureCount:
            self._admit(seen)
            now = self._clock()
            count = 1 if seen is None or seen.expires_at <= now else seen.count + 1
            return FailureCount(count, now + self._delay(count), now + FORGOTTEN_AFTER)

        if self._enabled:
            self._counts.change(name, counted)

    def succeed(self, name: str) -> None:
        """Forget the failures. Raises TooManyRequests if this name is refused by now."""
        if self._enabled:
            self._counts.clear(name, self._admit)

    def clear(self, name: str) -> None:
        """Forget the failures even if this name is refused by now: its owner has proven their identity otherwise."""
        self._counts.clear(name)

    def _admit(self, seen: FailureCount | None) -> None:
        now = self._clock()
        if seen is not None and now < seen.blocked_until and now < seen.expires_at:
            raise TooManyRequests(retry_after=math.ceil((seen.blocked_until - now).total_seconds()))


@dataclass(frozen=True, slots=True)
class PasswordThrottle:
    """The three counts of wrong passwords: by submitted name, by account, and of confirmations by account."""

    names: Throttle
    accounts: Throttle
    confirmations: Throttle

    @classmethod
    def over(
        cls, failures: LoginFailures, secrets: SecretKeys, clock: Clock, *, enabled: bool = True
    ) -> PasswordThrottle:
        """The throttle on the counts of a store."""
        throttle = partial(Throttle, failures, secrets, clock, enabled=enabled)
        return cls(
            throttle(),
            throttle(namespace="failures of an account", delay=_closed_at_its_most),
            throttle(namespace="wrong confirmations", delay=partial(delay_after, most=MOST_CONFIRMATIONS)),
        )

    def check_login(self, name: str) -> None:
        """Raises TooManyRequests while logins of this name are refused."""
        self.names.check(name)

    def check_account(self, name: str, user_id: str | None) -> None:
        """Raises TooManyRequests while the account of the name is refused; `user_id` is None if there is no account."""
        self.accounts.check(_subject(name, user_id))

    def fail_login(self, name: str, user_id: str | None) -> None:
        """Count a failed login: the same writes with or without an account. Raises TooManyRequests."""
        self.names.fail(name)
        self.accounts.fail(_subject(name, user_id))

    def succeed_login(self, name: str, user_id: str) -> None:
        """Forget the failures before a login. Raises TooManyRequests if the name or the account is refused by now."""
        self.names.succeed(name)
        self.accounts.succeed(_subject(name, user_id))
        self.confirmations.clear(user_id)

    def check_confirmation(self, user_id: str) -> None:
        """Raises TooManyRequests while confirmations of the password of this account are refused."""
        self.confirmations.check(user_id)

    def fail_confirmation(self, names: Iterable[str], user_id: str) -> None:
        """Count a wrong confirmation, which delays logins by these names, too. Raises TooManyRequests."""
        self.confirmations.fail(user_id)
        for name in names:
            with suppress(TooManyRequests):
                self.names.fail(name)

    def succeed_confirmation(self, names: Iterable[str], user_id: str) -> None:
        """Forget all failures of an account and of its names. Raises TooManyRequests as `check_confirmation` does."""
        self.confirmations.succeed(user_id)
        self.clear(names, user_id)

    def clear(self, names: Iterable[str], user_id: str) -> None:
        """Forget all failures of an account and of its names: its owner has proven their identity."""
        for name in names:
            self.names.clear(name)
        self.accounts.clear(user_id)
        self.confirmations.clear(user_id)


def _subject(name: str, user_id: str | None) -> str:
    return user_id or f"nobody {name}"


def delay_after(count: int, *, most: int = MOST) -> timedelta:
    """How long the next attempt is refused after `count` failures in a row; after `most` until they are forgotten."""
    if count >= most:
        return FORGOTTEN_AFTER
    if count <= FREE:
        return timedelta(0)
    if count >= QUICK:
        return timedelta(days=1 if count < QUICK + 5 else 7)
    return min(timedelta(seconds=2 ** (count - FREE - 1)), LONGEST_DELAY)


def _closed_at_its_most(count: int) -> timedelta:
    """Refuses an account after its last allowed failure; delays before that are up to the names."""
    return FORGOTTEN_AFTER if count >= MOST_OF_ACCOUNT else timedelta(0)
