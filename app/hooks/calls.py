"""Calls the hooks. Each call is bounded; one that fails or takes too long lets nobody in, and delays nobody else."""

from __future__ import annotations

import atexit
from contextlib import suppress
from queue import Full, Queue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.hooks import Refused
from app.hooks.claims import checked
from app.platform import deadline
from app.platform.errors import RegistrationRefused, Unavailable
from app.security.bounded_calls import BoundedCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.hooks import Event, Registration, Session, User

AT_ONCE: Final = 16
"""Calls of a method of a hook that requests of this process wait for."""
EVENTS_AT_ONCE: Final = 2
"""Late calls of one `on_event`; while there are more, this hook is told nothing, and the others are."""
MOST_WAITING: Final = 1000
"""Events of this process that wait to be told; beyond these, new ones are dropped."""
LONGEST_MESSAGE: Final = 300
_NO_ANSWER: Final = "An extension of this service does not answer at the moment."
_log = structlog.get_logger("latchkey.hooks")


class Hooks:
    """The hooks that the operator set, in their order. `seconds` is how long each call may take."""

    def __init__(self, hooks: Sequence[object], seconds: float) -> None:
        self._claims = _having(hooks, "add_claims", AT_ONCE)
        self._checks = _having(hooks, "check_registration", AT_ONCE)
        self._reactions = _having(hooks, "on_event", EVENTS_AT_ONCE)
        self._seconds = seconds
        self._events: Queue[Event | None] = Queue(MOST_WAITING)
        self._starting = Lock()
        self._teller: Thread | None = None

    def claims(self, user: User, session: Session) -> dict[str, Any]:
        """The claims that all hooks add to an access token. Raises Unavailable if one of them fails."""
        claims: dict[str, Any] = {}
        for method in self._claims:
            try:
                claims = checked(method.call(self._patience, user, session), claims)
            except (Refused, _FailedError, ValueError) as error:
                method.report(error)
                raise Unavailable(_NO_ANSWER) from None
        return claims

    def check_registration(self, registration: Registration) -> None:
        """Raises RegistrationRefused if a hook refuses it, and Unavailable if one fails."""
        for method in self._checks:
            try:
                method.call(self._patience, registration)
            except Refused as refused:
                raise RegistrationRefused(_one_line(str(refused)) or None) from None
            except _FailedError as error:
                method.report(error)
                raise Unavailable(_NO_ANSWER) from None

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
        """Tell what waits, for about as long as one call may take, and end the thread."""
        teller = self._teller
        if teller is not None and teller.is_alive():
            with suppress(Full):
                self._events.put(None, timeout=self._seconds)
                teller.join(self._seconds)

    @property
    def _patience(self) -> float:
        """The seconds that a request gives a call now."""
        left = deadline.remaining()
        return self._seconds if left is None else min(self._seconds, left)

    def _start(self) -> None:
        """Start the thread with the first event: in a worker, after the fork."""
        with self._starting:
            if self._teller is None:
                teller = Thread(target=self._tell_all, name="hook events", daemon=True)
                teller.start()
                atexit.register(self.close)  # for commands, which end without closing the application
                self._teller = teller

    def _tell_all(self) -> None:
        while (event := self._events.get()) is not None:
            for method in self._reactions:
                try:
                    method.call(self._seconds, event)
                except (Refused, _FailedError) as error:
                    method.report(error)


class _FailedError(Exception):
    """A hook raised the cause of this, or took too long."""


class _Method:
    """A method of a hook. Those of others have threads of their own, so one that hangs keeps none of them waiting."""

    def __init__(self, method: Callable[..., Any], at_once: int) -> None:
        self._method = method
        self._calls = BoundedCalls("hook", at_once)

    def call(self, seconds: float, *about: object) -> Any:  # noqa: ANN401 - whatever a foreign method gives
        """What the method gives. Raises Refused if it does, and else _FailedError."""

        def call(_watch: object) -> Any:  # noqa: ANN401 - see above
            try:
                return self._method(*about)
            except Refused:
                raise
            except BaseException as error:  # also SystemExit, which would end the thread of the request
                raise _FailedError from error

        try:
            return self._calls.run(call, seconds)
        except (TimeoutError, RuntimeError) as error:  # the latter: the system gives no more threads
            raise _FailedError from error

    def report(self, error: Exception) -> None:
        """Write to the log how the method failed."""
        where = f"{getattr(self._method, '__module__', '?')}:{getattr(self._method, '__qualname__', '?')}"
        _log.error("hook failed", hook=where, exc_info=error.__cause__ or error)


def _having(hooks: Sequence[object], name: str, at_once: int) -> list[_Method]:
    return [_Method(method, at_once) for hook in hooks if callable(method := getattr(hook, name, None))]


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:LONGEST_MESSAGE]
