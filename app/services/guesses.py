"""Guesses of mailed codes: at most 100 for a code, and a code that is dead by then is replaced, never revived.

They are counted for the address that was submitted, whether it has an account or not, and nothing that depends on an
account ever touches the count. A code is computed from the number of its generation (`app.security.codes`). So the
same write that lets guesses begin anew makes every code of the address another one. Source: NIST SP 800-63B-4
section 3.2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from app.errors import InvalidCode
from app.models.identifiers import comparable_email
from app.models.login_failures import FailureCount

if TYPE_CHECKING:
    from app.clock import Clock
    from app.models.account import CodePurpose
    from app.services.counts import Counts

MOST_GUESSES = 100
"""Guesses of one code that are answered."""
MOST_GENERATIONS = 20
"""Codes that an address can have one after the other: as many as mails go to it in a day."""
KEPT = timedelta(hours=25)
"""How long a count outlives its last step: longer than any code lives that was mailed by then."""
_GENERATION = MOST_GUESSES + 1
"""Steps of a count in one generation: the guesses, and the replacement of the dead code."""


@dataclass(frozen=True, slots=True)
class Guesses:
    """Counts the guesses of codes by submitted address and by what the code is for."""

    counts: Counts
    clock: Clock

    def admit(self, email: str, use: CodePurpose) -> int:
        """Count a guess, before it is looked at; gives the generation of the codes that it may be.

        Raises InvalidCode if the codes of this address are dead: so of any number of guesses at once no more are
        answered than of as many one after the other.
        """

        def counted(seen: FailureCount | None) -> FailureCount:
            count = self._live(seen)
            if _is_dead(count):
                raise InvalidCode
            return self._kept(count + 1)

        kept = self.counts.change(_name(email, use), counted)
        return _generation_of(kept.count - 1 if kept else 0)

    def take_back(self, email: str, use: CodePurpose) -> None:
        """Count a guess no more: it was right."""

        def without(seen: FailureCount | None) -> FailureCount | None:
            count = self._live(seen)
            return self._kept(count - 1) if count % _GENERATION else None

        self.counts.change(_name(email, use), without)

    def replace_dead(self, email: str, use: CodePurpose) -> None:
        """Give the address codes of the next generation, if the present ones are dead.

        Called when mail is asked for, the same for every address, known or not, and for nothing else.
        """

        def replaced(seen: FailureCount | None) -> FailureCount | None:
            count = self._live(seen)
            if not count:
                return None
            may_go_on = _is_dead(count) and _generation_of(count) + 1 < MOST_GENERATIONS
            if _is_dead(count) and not may_go_on:
                return None  # dead until the count is forgotten
            return self._kept(count + may_go_on)

        self.counts.change(_name(email, use), replaced)

    def generation(self, email: str, use: CodePurpose) -> int:
        """The generation of the codes that are mailed to this address now."""
        return _generation_of(self._live(self.counts.get(_name(email, use))))

    def _live(self, seen: FailureCount | None) -> int:
        return 0 if seen is None or seen.expires_at <= self.clock() else seen.count

    def _kept(self, count: int) -> FailureCount:
        now = self.clock()
        return FailureCount(count, now, now + KEPT)


def _is_dead(count: int) -> bool:
    return count % _GENERATION == MOST_GUESSES


def _generation_of(count: int) -> int:
    return count // _GENERATION


def _name(email: str, use: CodePurpose) -> str:
    return f"{use}:{comparable_email(email)}"
