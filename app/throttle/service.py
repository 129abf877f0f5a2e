"""The throttle of passwords: wrong ones are counted by account, make guessers wait, and never shut the owner out.

A wrong password counts for the account that its name leads to, whichever of the names it was, and alike for a name
without an account, so that the throttle reveals nothing. The budgets of an account, until a success or a proof by mail:

| where the wrong password comes from | budget | then |
|---|---|---|
| logins from unknown devices, together | MOST = 50, with a delay that grows to a week | proof by mail |
| logins from one known device (`app.throttle.device_tokens`) | MOST_OF_DEVICE = 5 | it is unknown |
| confirmations in sessions, together | MOST_CONFIRMATIONS = 20, with a delay | a login, or proof by mail |
| known devices and confirmations, together | MOST_KNOWN = 50: ten devices | proof by mail |

So MOST + MOST_KNOWN = 100 failures in a row are the most, whatever names, devices and sessions a guesser has: the bound
of NIST SP 800-63B-4 section 3.2.2. Source of the delays: OWASP ASVS 5.0 section 6.3.1.

What an outsider does counts in the first budget alone. So it stops neither a known device nor a session. Only what
comes from the owner ends it: the right password from an unknown device that need not wait, or as a confirmation; a
reset by mail; or an administrator. A login from a known device does not, or every login of the owner would give the
guessers a new budget.

With HIDE_ACCOUNTS not even two names of one account may be seen to belong together. So each name is delayed on its own,
twice as fast, and has half of the budget; the account is closed at the same 50.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from app.platform.errors import TooManyRequests
from app.platform.instrumentation import NOBODY
from app.throttle.counts import Counts
from app.throttle.model import FailureCount
from app.throttle.stuffing import Stuffing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.platform.clock import Clock
    from app.platform.instrumentation import Observer
    from app.security.secret_keys import SecretKeys
    from app.throttle.model import LoginFailures

FREE = 9
"""Failures in a row without a delay: the tenth brings a delay of one second, and each further one doubles it."""
FREE_IN_A_WAVE = 1
"""The same for unknown devices in a wave of stuffing."""
LONGEST_DELAY = timedelta(minutes=15)
QUICK = 30
"""Failures in a row after which each delay is a day, or, from the sixth such delay on, a week: 16 weeks in all."""
MOST = 50
"""Failures in a row after which unknown devices are refused until the count is forgotten."""
MOST_OF_DEVICE = 5
MOST_CONFIRMATIONS = 20
MOST_KNOWN = 50
TOLD_EVERY = 10
"""After so many failures of unknown devices, and each time that there are as many again, the owner is to be told."""
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
        namespace: str = "failures of an account",
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

    def is_open(self, name: str) -> bool:
        """Whether `check` lets this name pass."""
        try:
            self.check(name)
        except TooManyRequests:
            return False
        return True

    def fail(self, name: str, *, at_least: Callable[[int], timedelta] | None = None) -> int:
        """Count a failure; returns how many there are. `at_least(n)` is a delay that the next attempt waits at least.

        Raises TooManyRequests, and counts nothing, if this name is refused by now.
        """

        def counted(seen: FailureCount | None) -> FailureCount:
            self._admit(seen)
            now = self._clock()
            count = 1 if seen is None or seen.expires_at <= now else seen.count + 1
            delay = max(self._delay(count), at_least(count)) if at_least else self._delay(count)
            return FailureCount(count, now + delay, now + FORGOTTEN_AFTER)

        kept = self._counts.change(name, counted) if self._enabled else None
        return kept.count if kept else 0

    def succeed(self, name: str) -> None:
        """Forget the failures. Raises TooManyRequests if this name is refused by now."""
        if self._enabled:
            self._counts.clear(name, self._admit)

    def clear(self, name: str) -> None:
        """Forget the failures even if this name is refused by now: its owner has proven their identity otherwise."""
        self._counts.clear(name)

    def _admit(self, seen: FailureCount | None) -> None:
        now = self._clock()
        if seen is None or now >= seen.expires_at:
            return
        # A former version, which allowed more of an account, may have counted beyond what is allowed now.
        is_closed = self._delay(seen.count) >= FORGOTTEN_AFTER
        until = seen.expires_at if is_closed else seen.blocked_until
        if now < until:
            raise TooManyRequests(retry_after=math.ceil((until - now).total_seconds()))


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login that was admitted: `subject` is the account, or the name that has none.

    `device_id` names the known device in whose budget it counts; None is an unknown one, or one whose budget is used
    up.
    """

    name: str
    subject: str
    ip: str
    device_id: str | None = None


@dataclass(frozen=True, slots=True)
class PasswordThrottle:
    """The counts of wrong passwords of an account. `names` are counted on their own only with HIDE_ACCOUNTS."""

    accounts: Throttle
    names: Throttle
    devices: Throttle
    known: Throttle
    confirmations: Throttle
    stuffing: Stuffing
    enabled: bool = True
    by_name: bool = False

    @classmethod
    def over(
        cls,
        failures: LoginFailures,
        secrets: SecretKeys,
        clock: Clock,
        *,
        enabled: bool = True,
        by_name: bool = False,
        pairs: int,
        observer: Observer = NOBODY,
    ) -> PasswordThrottle:
        """The throttle on the counts of a store; so many `pairs` are a wave of stuffing."""
        throttle = partial(Throttle, failures, secrets, clock, enabled=enabled)
        return cls(
            accounts=throttle(delay=_closed_at(MOST) if by_name else delay_after),
            names=throttle(namespace="login failures", delay=_twice_as_fast),
            devices=throttle(namespace="failures of a device", delay=_closed_at(MOST_OF_DEVICE)),
            known=throttle(namespace="failures of known devices", delay=_closed_at(MOST_KNOWN)),
            confirmations=throttle(
                namespace="wrong confirmations", delay=partial(delay_after, most=MOST_CONFIRMATIONS)
            ),
            stuffing=Stuffing(Counts(failures, secrets, "stuffing"), clock, pairs, observer),
            enabled=enabled,
            by_name=by_name,
        )

    def admit_login(self, name: str, user_id: str | None, ip: str, device_id: str | None = None) -> Attempt:
        """Admit a login by this name, from this address; raises TooManyRequests while it has to wait.

        `user_id` is None if there is no account: then the same is read. `device_id` is that of a known device.
        """
        subject = user_id or f"nobody {name}"
        if device_id is not None and self.devices.is_open(device_id) and self.known.is_open(subject):
            return Attempt(name, subject, ip, device_id)
        if self.by_name:
            self.names.check(name)
        self.accounts.check(subject)
        return Attempt(name, subject, ip)

    def fail_login(self, attempt: Attempt) -> bool:
        """Count a failed login: the same writes with or without an account. Raises TooManyRequests.

        Returns whether the owner, if there is one, is to be told: guessers are at work.
        """
        if attempt.device_id is not None:
            self.devices.fail(attempt.device_id)
            self.known.fail(attempt.subject)
            return False
        if not self.enabled:
            return False
        in_a_wave = self.stuffing.note(attempt.subject, attempt.ip)
        at_least = delay_in_a_wave if in_a_wave else None
        if self.by_name:
            self.names.fail(attempt.name, at_least=at_least)
            count = self.accounts.fail(attempt.subject)
        else:
            count = self.accounts.fail(attempt.subject, at_least=at_least)
        return count % TOLD_EVERY == 0

    def check_login(self, attempt: Attempt) -> None:
        """Raises TooManyRequests if such a login is refused by now; it forgets nothing, since it is not finished."""
        if attempt.device_id is not None:
            self.devices.check(attempt.device_id)
            self.known.check(attempt.subject)
            return
        if self.by_name:
            self.names.check(attempt.name)
        self.accounts.check(attempt.subject)

    def succeed_login(self, attempt: Attempt) -> None:
        """Forget the failures before a login. Raises TooManyRequests if such a login is refused by now.

        A known device leaves the failures of the others: they are not its owner's.
        """
        if attempt.device_id is not None:
            self.devices.succeed(attempt.device_id)
            self.known.succeed(attempt.subject)
        else:
            if self.by_name:
                self.names.succeed(attempt.name)
            self.accounts.succeed(attempt.subject)
            self.known.clear(attempt.subject)
        self.confirmations.clear(attempt.subject)

    def check_confirmation(self, user_id: str) -> None:
        """Raises TooManyRequests while confirmations of the password of this account are refused."""
        self.confirmations.check(user_id)
        self.known.check(user_id)

    def fail_confirmation(self, names: Iterable[str], user_id: str) -> None:
        """Count a wrong confirmation, which delays logins from unknown devices, too. Raises TooManyRequests."""
        self.confirmations.fail(user_id)
        self.known.fail(user_id)
        with suppress(TooManyRequests):
            self.accounts.fail(user_id)
        for name in names if self.by_name else ():
            with suppress(TooManyRequests):
                self.names.fail(name)

    def succeed_confirmation(self, names: Iterable[str], user_id: str) -> None:
        """Forget all failures of an account and of its names. Raises TooManyRequests as `check_confirmation` does."""
        self.confirmations.succeed(user_id)
        self.known.succeed(user_id)
        self.clear(names, user_id)

    def clear(self, names: Iterable[str], user_id: str) -> None:
        """Forget all failures of an account and of its names: its owner has proven their identity.

        Those of the names also where they are not counted: a former version, beside this one, counts them. A device
        token that is used up stays so: its device logs in as an unknown one, and gets a new token.
        """
        for name in names:
            self.names.clear(name)
        for _ in self.erase(user_id):
            pass

    def erase(self, user_id: str) -> Iterator[None]:
        """Forget the failures of an account, which is deleted or whose owner is known; idempotent."""
        for throttle in (self.accounts, self.known, self.confirmations):
            throttle.clear(user_id)
        yield


def delay_after(count: int, *, most: int = MOST) -> timedelta:
    """How long the next attempt is refused after `count` failures in a row; after `most` until they are forgotten."""
    if count >= most:
        return FORGOTTEN_AFTER
    if count <= FREE:
        return timedelta(0)
    if count >= QUICK:
        return timedelta(days=1 if count < QUICK + 5 else 7)
    return min(timedelta(seconds=2 ** (count - FREE - 1)), LONGEST_DELAY)


def delay_in_a_wave(count: int) -> timedelta:
    """The same for unknown devices in a wave of stuffing: the delays begin earlier. They grow to 15 minutes only:
    beyond that the usual ones are longer."""
    return min(delay_after(min(count + FREE - FREE_IN_A_WAVE, MOST - 1)), LONGEST_DELAY)


def _twice_as_fast(count: int) -> timedelta:
    """The delays of one name where each is delayed on its own: it closes after MOST // 2, since an account has two."""
    return delay_after(2 * count)


def _closed_at(most: int) -> Callable[[int], timedelta]:
    """Refuses after `most` failures in a row; there is no delay before."""
    return lambda count: FORGOTTEN_AFTER if count >= most else timedelta(0)
