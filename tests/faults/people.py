"""People who use the service while a test breaks something, and what they saw."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

from tests.faults.ledger import LOST
from tests.faults.letters import Letters
from tests.faults.person import Person, Seen
from tests.servers.process import wait_until
from tests.servers.smtp import SmtpServer

BACK_SECONDS = 10.0 + 15.0
"""How soon everything works again, once it is mended: 10 are promised, the rest is for a busy machine."""


class People:
    """Several of them."""

    def __init__(self, people: list[Person]) -> None:
        self._people = people

    def go_on(self, acts: int = 3) -> None:
        """Return when each of them has had this many more writes acknowledged."""
        self._wait(lambda person: person.served, acts)

    def suffer(self, answers: int = 3) -> None:
        """Return when each of them has had this many more answers, of whatever kind."""
        self._wait(lambda person: person.answered, answers)

    def until_refused(self) -> None:
        """Return when one of them was refused once more: the fault has arrived."""
        before = self._refused()
        wait_until(lambda: self._refused() > before, 60)

    def until_registered(self, accounts: int) -> None:
        """Return when so many registrations were acknowledged, in all."""
        wait_until(lambda: sum(person.seen.registered for person in self._people) >= accounts, 240)

    @contextmanager
    def during(self) -> Iterator[None]:
        """What is inside is the fault: count what is refused, and afterwards wait until all are served again."""
        before = self._refused()
        yield
        refused, mended = self._refused() - before, monotonic()
        self._until(lambda person: person.served_since >= mended, BACK_SECONDS)
        for person in self._people:
            person.seen.back = max(person.seen.back, monotonic() - mended)
        self._people[0].seen.refused += refused

    def stop(self) -> None:
        """Let each of them get its last answer, and end."""
        for person in self._people:
            person.ending.set()
        for person in self._people:
            person.join(60)
            assert not person.is_alive()

    def settle(self) -> Seen:
        """Stop, compare what the service says now with all that it has acknowledged, and sum up."""
        self.stop()
        with ThreadPoolExecutor(len(self._people)) as pool:
            list(pool.map(Person.check, self._people))
        together = Seen()
        for seen in [person.seen for person in self._people]:
            together.statuses += seen.statuses
            together.slowest = max(together.slowest, seen.slowest)
            together.back = max(together.back, seen.back)
            together.refused += seen.refused
            together.registered += seen.registered
            together.broken += seen.broken
        together.broken += [
            broken for person in self._people for account in person.accounts for broken in account.broken
        ]
        return together

    def _wait(self, count: Callable[[Person], int], more: int) -> None:
        past = {person: count(person) for person in self._people}
        self._until(lambda person: count(person) >= past[person] + more, 90)

    def _until(self, reached: Callable[[Person], bool], seconds: float) -> None:
        """Return when all of them have reached something; AssertionError with what they saw last if they do not."""
        try:
            wait_until(lambda: all(map(reached, self._people)), seconds)
        except TimeoutError:
            late = [person for person in self._people if not reached(person)]
            raise AssertionError([(person.name, person.last, person.seen) for person in late]) from None

    def _refused(self) -> int:
        return sum(person.seen.statuses[status] for person in self._people for status in (LOST, 503))


@contextmanager
def people(
    port: int,
    number: int = 6,
    *,
    mail: SmtpServer | None = None,
    only_register: bool = False,
    may_lose: bool = False,
    clock_jumps: bool = False,
) -> Iterator[People]:
    """So many people use the service on this port.

    `mail` is its mail server; without it nobody resets a password. With `only_register` they do nothing else. With
    `may_lose` a request may be lost, as when the process dies that handles it; with `clock_jumps` an access token may
    have to be refreshed before its time.
    """
    letters = Letters(mail) if mail else None
    started = [
        Person(
            port, f"person-{each}", letters, only_registers=only_register, may_lose=may_lose, clock_jumps=clock_jumps
        )
        for each in range(number)
    ]
    together = People(started)
    for person in started:
        person.start()
    try:
        yield together
    finally:
        together.stop()
