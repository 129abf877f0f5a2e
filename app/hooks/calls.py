"""Calls the hooks. Each call is bounded; one that fails or takes too long lets nobody in, and delays nobody else."""

from __future__ import annotations

from queue import Full, Queue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from app.hooks import Refused
from app.hooks.claims import checked
from app.platform import deadline
from app.platform.errors import RegistrationRefused, Unavailable
from app.security.bounded_calls import BoundedCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.hooks import Event, Registration, Session, User

T = TypeVar("T")
AT_ONCE: Final = 16
"""Calls of hooks in a process that requests wait for."""
EVENTS_AT_ONCE: Final = 4
"""Late calls of `on_event` in a process; beyond these, events are not told until one of them ends."""
MOST_WAITING: Final = 1000
"""Events of a process that wait to be told; beyond these, new ones are dropped."""
LONGEST_MESSAGE: Final = 300
_log = structlog.get_logger("latchkey.hooks")


class Hooks:
    """The hooks that the operator set, in their order. `seconds` is how long each call may take."""

    def __init__(self, hooks: Sequence[object], seconds: float) -> None:
        self._claims = _having(hooks, "add_claims")
        self._checks = _having(hooks, "check_registration")
        self._reactions = _having(hooks, "on_event")
        self._seconds = seconds
        self._calls = BoundedCalls("hook", AT_ONCE)
        self._event_calls = BoundedCalls("hook event", EVENTS_AT_ONCE)
        self._events: Queue[Event | None] = Queue(MOST_WAITING)
        self._starting = Lock()
        self._teller: Thread | None = None

    def claims(self, user: User, session: Session) -> dict[str, Any]:
        """The claims that all hooks add to an access token. Raises Unavailable if one of them fails."""
        claims: dict[str, Any] = {}
        for hook in self._claims:
            added = self._ask(hook, user, session)
            try:
                claims = checked(added, claims)
            except ValueError as error:
                _log.error("hook failed", hook=_name_of(hook), cause=str(error))
                raise Unavailable(_NO_ANSWER) from None
        return claims

    def check_registration(self, registration: Registration) -> None:
        """Raises RegistrationRefused if a hook refuses it, and Unavailable if one fails."""
        for hook in self._checks:
            self._ask(hook, registration)

    def tell(self, event: Event) -> None:
        """Have all hooks learn of an event, in the background. It never waits and never fails."""
        if not self._reactions:
            return
        try:
            self._start()
            self._events.put_nowait(event)
        except (Full, RuntimeError):  # the system gives no more threads
            _log.error("event not told", action=event.action, event_id=event.id)

    def close(self) -> None:
        """Tell what waits, for as long as one call may take, and end the thread."""
        teller = self._teller
        if teller is not None and teller.is_alive():
            try:
                self._events.put(None, timeout=self._seconds)
            except Full:
                return
            teller.join(self._seconds)

    def _ask(self, hook: Callable[..., T], *about: object) -> T:
        left = deadline.remaining()
        try:
            return _within(self._calls, hook, about, self._seconds if left is None else min(self._seconds, left))
        except Refused as refused:
            if hook in self._checks:
                raise RegistrationRefused(_one_line(str(refused)) or None) from None
            _report(hook, refused)
        except _FailedError as failed:
            _report(hook, failed.__cause__ or failed)
        raise Unavailable(_NO_ANSWER)

    def _start(self) -> None:
        """Start the thread with the first event: in a worker, after the fork."""
        with self._starting:
            if self._teller is None:
                teller = Thread(target=self._tell_all, name="hook events", daemon=True)
                teller.start()
                self._teller = teller

    def _tell_all(self) -> None:
        while (event := self._events.get()) is not None:
            for hook in self._reactions:
                try:
                    _within(self._event_calls, hook, (event,), self._seconds)
                except (_FailedError, Refused) as failed:
                    _report(hook, failed.__cause__ or failed)


_NO_ANSWER: Final = "An extension of this service does not answer at the moment."


class _FailedError(Exception):
    """A hook raised the cause of this, or took too long."""


def _within(calls: BoundedCalls, hook: Callable[..., T], about: tuple[object, ...], seconds: float) -> T:
    def call(_watch: object) -> T:
        try:
            return hook(*about)
        except Refused:
            raise
        except BaseException as error:  # also SystemExit, which would end the thread of the request
            raise _FailedError from error

    try:
        return calls.run(call, seconds)
    except (TimeoutError, RuntimeError) as error:  # the latter: the system gives no more threads
        raise _FailedError from error


def _having(hooks: Sequence[object], method: str) -> list[Callable[..., Any]]:
    return [getattr(hook, method) for hook in hooks if callable(getattr(hook, method, None))]


def _report(hook: Callable[..., Any], error: BaseException) -> None:
    _log.error("hook failed", hook=_name_of(hook), exc_info=error)


def _name_of(hook: Callable[..., Any]) -> str:
    return f"{getattr(hook, '__module__', '?')}:{getattr(hook, '__qualname__', '?')}"


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:LONGEST_MESSAGE]
