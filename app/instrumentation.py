"""Who looks on while the service works: what metrics and tracing see, and nothing that they could change.

Without either of the two nobody looks on (`NOBODY`), and what is looked at costs next to nothing.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from app.failure import Failure

Grant = Literal["register", "login", "refresh"]
"""What an access token was given for."""
HashRefusal = Literal["queue_full", "deadline", "closed"]
"""Why a password was not hashed: no room, too long in the queue (or there when the pool was closed), or too late."""
MailOutcome = Literal["sent", "failed", "refused", "given_up", "withheld"]
"""What came of one attempt to send a mail: `failed` is tried again, `withheld` was one too many for its address."""


class Observer:
    """Sees nothing: who looks on overrides what he wants to see. No method may raise, or take long."""

    def answering(
        self,
        path: str,  # noqa: ARG002 - for who overrides it
        carried: Mapping[str, str],  # noqa: ARG002
    ) -> AbstractContextManager[Mapping[str, str]]:
        """What a request is answered in; gives what the lines of the log that belong to it tell of it.

        `carried` is what a trusted proxy says of the trace that the request belongs to (W3C Trace Context), by header.
        """
        return nullcontext({})

    def working(self, task: str) -> AbstractContextManager[object]:  # noqa: ARG002 - for who overrides it
        """What a task in the background runs in: "job purge", "mail send"."""
        return nullcontext()

    def exchange_ended(
        self, method: str, route: str | None, status: int, failure: Failure | None, seconds: float
    ) -> None:
        """A request was answered: `method` is the client's word, `route` the rule of its endpoint, if it found one."""

    def token_issued(self, grant: Grant) -> None:
        """An access token was made."""

    def mail_tried(self, outcome: MailOutcome) -> None:
        """A mail was handed to the mail server, or not."""

    def store_call(self, operation: str) -> AbstractContextManager[object]:  # noqa: ARG002 - for who overrides it
        """What each call of a verb of the store runs in: `operation` is its repository and its name, "users.add"."""
        return nullcontext()

    def hashing(self) -> AbstractContextManager[object]:
        """What a thread waits in for a hash, from the queue to the end of the work."""
        return nullcontext()

    def hash_queued(self) -> None:
        """A password stands in the queue; it leaves it by `hash_began`, or by `hash_refused` for its deadline."""

    def hash_began(self, waited: float) -> None:
        """A thread of the pool took a password up that stood in the queue for `waited` seconds."""

    def hash_refused(self, reason: HashRefusal) -> None:
        """A password was not hashed: one of `deadline` leaves the queue, the others never stood in it."""


NOBODY = Observer()
"""Who looks on when nobody does."""


def together(*observers: Observer | None) -> Observer:
    """One that sees for all of them that there are."""
    present = [observer for observer in observers if observer is not None]
    match present:
        case []:
            return NOBODY
        case [observer]:
            return observer
        case _:
            return Observers(*present)


class Observers(Observer):
    """Several who look on: each sees everything, in the order in which they are given."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    @contextmanager
    def answering(self, path: str, carried: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
        with ExitStack() as stack:
            told = [stack.enter_context(observer.answering(path, carried)) for observer in self._observers]
            yield {name: fact for facts in told for name, fact in facts.items()}

    @contextmanager
    def working(self, task: str) -> Iterator[None]:
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.working(task))
            yield

    def exchange_ended(
        self, method: str, route: str | None, status: int, failure: Failure | None, seconds: float
    ) -> None:
        for observer in self._observers:
            observer.exchange_ended(method, route, status, failure, seconds)

    def token_issued(self, grant: Grant) -> None:
        for observer in self._observers:
            observer.token_issued(grant)

    def mail_tried(self, outcome: MailOutcome) -> None:
        for observer in self._observers:
            observer.mail_tried(outcome)

    @contextmanager
    def store_call(self, operation: str) -> Iterator[None]:
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.store_call(operation))
            yield

    @contextmanager
    def hashing(self) -> Iterator[None]:
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.hashing())
            yield

    def hash_queued(self) -> None:
        for observer in self._observers:
            observer.hash_queued()

    def hash_began(self, waited: float) -> None:
        for observer in self._observers:
            observer.hash_began(waited)

    def hash_refused(self, reason: HashRefusal) -> None:
        for observer in self._observers:
            observer.hash_refused(reason)
