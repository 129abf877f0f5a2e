"""Hooks that metrics and tracing subscribe to; they cannot change behaviour.

Without either of the two, `NOBODY` is used, and the hooks cost next to nothing.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from app.platform.failure import Failure

Grant = Literal[
    "register", "login", "mail", "provider", "invitation", "refresh", "reauthenticate", "impersonation", "page",
    "authorization_code", "device_code", "client_refresh", "client_credentials", "token_exchange",
]  # fmt: skip
"""What an access token was given for."""
TokenRefusal = Literal[
    "malformed", "wrong_type", "unexpected_header", "unknown_key", "wrong_algorithm", "bad_signature",
    "missing_claim", "wrong_issuer", "wrong_audience", "not_yet_valid", "expired",
]  # fmt: skip
"""Why an access token was refused: the `reason` of the exception that caused the failure."""
HashRefusal = Literal["queue_full", "deadline", "gone", "closed"]
"""Why a password was not hashed: the queue was full or too slow, the deadline passed (or the pool closed) while it
waited in the queue, its client left meanwhile, or the pool was closed before."""
MailOutcome = Literal["sent", "failed", "refused", "given_up", "withheld"]
"""The outcome of one attempt to send a mail: `failed` is retried, `withheld` exceeded the allowance of its address."""

DeliveryOutcome = Literal["delivered", "failed", "dead"]
"""The outcome of one attempt to post an event to a webhook: `failed` is retried, `dead` is not."""


class Observer:
    """Hooks that do nothing; subclasses override those they need. No method may raise, or take long."""

    def exchange(
        self,
        path: str,  # noqa: ARG002 - for subclasses
        carried: Mapping[str, str],  # noqa: ARG002
    ) -> AbstractContextManager[Mapping[str, str]]:
        """The context in which a request is answered; yields the facts to add to each of its log lines.

        `carried` holds the headers in which a trusted proxy names the request's trace (W3C Trace Context).
        """
        return nullcontext({})

    def working(self, task: str) -> AbstractContextManager[object]:  # noqa: ARG002 - for subclasses
        """The context in which a background task runs: "job purge", "mail send"."""
        return nullcontext()

    def exchange_ended(
        self, method: str, route: str | None, status: int, failure: Failure | None, seconds: float
    ) -> None:
        """A request was answered: `method` is as the client sent it, `route` the rule of its endpoint, if any."""

    def token_issued(self, grant: Grant) -> None:
        """An access token was made."""

    def stuffing_noticed(self) -> None:
        """A wave of credential stuffing began."""

    def mail_tried(self, outcome: MailOutcome) -> None:
        """A mail was handed to the mail server, or was not: `outcome` says which."""

    def webhook_tried(self, outcome: DeliveryOutcome) -> None:
        """An event was posted to a webhook, or given up: `outcome` says which."""

    def store_call(self, operation: str) -> AbstractContextManager[object]:  # noqa: ARG002 - for subclasses
        """The context of each call of the store; `operation` names repository and method: "users.add"."""
        return nullcontext()

    def hashing(self) -> AbstractContextManager[object]:
        """The context in which a thread waits for a hash, from the queue to the end of the work."""
        return nullcontext()

    def hash_queued(self) -> None:
        """A password entered the queue; `hash_began`, or `hash_refused` with `deadline` or `gone`, tells it left."""

    def hash_began(self, waited: float) -> None:
        """A thread of the pool took up a password that had waited in the queue for `waited` seconds."""

    def hash_refused(self, reason: HashRefusal) -> None:
        """A password was not hashed: with `deadline` or `gone` it leaves the queue, else it never entered it."""


class Exposition(Protocol):
    """Metrics, in the format that a collector asks for."""

    def render(self, accept: str) -> tuple[bytes, str]:
        """All metrics, and their media type, which is one that the header `Accept` names if possible."""


NOBODY = Observer()
"""The observer when there is no other."""


def together(*observers: Observer | None) -> Observer:
    """One observer that calls all of these; None is skipped."""
    present = [observer for observer in observers if observer is not None]
    match present:
        case []:
            return NOBODY
        case [observer]:
            return observer
        case _:
            return Observers(*present)


class Observers(Observer):
    """Several observers: each hook calls all of them, in the order given."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    @contextmanager
    def exchange(self, path: str, carried: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
        with ExitStack() as stack:
            told = [stack.enter_context(observer.exchange(path, carried)) for observer in self._observers]
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

    def stuffing_noticed(self) -> None:
        for observer in self._observers:
            observer.stuffing_noticed()

    def mail_tried(self, outcome: MailOutcome) -> None:
        for observer in self._observers:
            observer.mail_tried(outcome)

    def webhook_tried(self, outcome: DeliveryOutcome) -> None:
        for observer in self._observers:
            observer.webhook_tried(outcome)

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
