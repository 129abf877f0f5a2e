"""Guesses of mailed codes: after 100 guesses a code is dead; it is replaced, never revived.

Guesses are counted for the submitted address, whether it has an account or not, and nothing that depends on an
account ever touches the count. A code is computed from its generation number (`app.security.codes`), so the write
that resets the count also changes every code of the address. Source: NIST SP 800-63B-4 section 3.2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from app.platform.errors import InvalidCode
from app.platform.identifiers import comparable_email
from app.throttle.model import FailureCount

if TYPE_CHECKING:
    from app.platform.clock import Clock
    from app.security.codes import Purpose
    from app.throttle.counts import Counts

MOST_GUESSES = 100
"""Guesses of one code that are answered."""
MOST_GENERATIONS = 20
"""Codes that an address can have in succession: as many as the mails that it can get in a day."""
KEPT = timedelta(hours=25)
"""How long a count is kept after its last step: longer than the life of any code mailed by then."""
KEPT_FOR_INVITATIONS = timedelta(days=7, hours=1)
"""The same for the codes that live longest."""
_GENERATION = MOST_GUESSES + 1
"""Steps of a count in one generation: the guesses, and the replacement of the dead code."""


@dataclass(frozen=True, slots=True)
class Guesses:
    """Counts the guesses of codes by submitted address and by purpose."""

    counts: Counts
    clock: Clock

    def admit(self, email: str, use: Purpose) -> int:
        """Count a guess before it is checked; returns the generation of the codes to compare it with.

        Raises InvalidCode if the codes of this address are dead. Concurrent guesses get no more answers than
        sequential ones.
        """

        def counted(seen: FailureCount | None) -> FailureCount:
            count = self._live(seen)
            if _is_dead(count):
                raise InvalidCode
            return self._kept(count + 1, use)

        kept = self.counts.change(_name(email, use), counted)
        return _generation_of(kept.count - 1 if kept else 0)

    def take_back(self, email: str, use: Purpose) -> None:
        """Uncount a guess that was right."""

        def without(seen: FailureCount | None) -> FailureCount | None:
            count = self._live(seen)
            return self._kept(count - 1, use) if count % _GENERATION else None

        self.counts.change(_name(email, use), without)

    def replace_dead(self, email: str, use: Purpose, *, however_many: bool = False) -> None:
        """Give the address codes of the next generation, if the present ones are dead.

        Called when mail is asked for, the same for every address, known or not; and when an administrator unlocks a
        user, `however_many` generations there were.
        """

        def replaced(seen: FailureCount | None) -> FailureCount | None:
            count = self._live(seen)
            if not count:
                return None
            if not _is_dead(count):
                return self._kept(count, use)
            if not however_many and _generation_of(count) + 1 >= MOST_GENERATIONS:
                return None  # dead until the count is forgotten
            return self._kept(count + 1, use)

        self.counts.change(_name(email, use), replaced)

    def generation(self, email: str, use: Purpose) -> int:
        """The generation of the codes that are mailed to this address now."""
        return _generation_of(self._live(self.counts.get(_name(email, use))))

    def _live(self, seen: FailureCount | None) -> int:
        return 0 if seen is None or seen.expires_at <= self.clock() else seen.count

    def _kept(self, count: int, use: Purpose) -> FailureCount:
        now = self.clock()
        return FailureCount(count, now, now + (KEPT_FOR_INVITATIONS if use == "invitation" else KEPT))


def _is_dead(count: int) -> bool:
    return count % _GENERATION == MOST_GUESSES


def _generation_of(count: int) -> int:
    return count // _GENERATION


def _name(email: str, use: Purpose) -> str:
    return f"{use}:{comparable_email(email)}"
