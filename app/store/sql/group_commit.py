"""Group commit: what several threads ask for at once is done in one act, by one of them."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from copy import copy
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy.exc import TimeoutError as NoPlaceError

from app.store.sql.waits import seconds_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class Member(Generic[T]):
    """What a thread asks for, and its outcome."""

    result: T
    error: Exception | None = None
    leads = False
    """Whether its thread is to act."""

    def __init__(self) -> None:
        self.turn = Lock()
        """Held until the outcome is there, or until its thread leads: a cheap Event that is waited for once."""
        self.turn.acquire()

    def outcome(self) -> T:
        """The result; raises the error if there is one."""
        if self.error is not None:
            raise self.error
        return self.result


MemberT = TypeVar("MemberT", bound=Member[Any])


class GroupCommit(Generic[MemberT]):
    """Does what members ask for, in as few acts as there can be, one after the other.

    One thread leads at a time: it acts for all who wait, once, and hands the lead to the first who came meanwhile.
    """

    def __init__(self, act: Callable[[Sequence[MemberT]], None], patience: float, most: int | None = None) -> None:
        """`act` gives each of these members its result or its error; what it raises is the error of each.

        `patience` is how long a member waits for its turn, in seconds, and `most` how many go into one act.
        """
        self._act = act
        self._patience = patience
        self._most = most
        self._waiting: deque[MemberT] = deque()
        self._lock = Lock()
        self._led = False

    def join(self, member: MemberT) -> None:
        """Have a member done; it has its outcome then.

        Raises SQLAlchemy's TimeoutError, and nothing is done for it, when its turn does not come in time.
        """
        seconds = seconds_for(self._patience)  # before anything else: it raises when there are none
        with self._lock:
            if self._led:
                self._waiting.append(member)
            else:
                self._led = member.leads = True
        if not member.leads and not member.turn.acquire(timeout=seconds):
            with self._lock, suppress(ValueError):
                self._waiting.remove(member)
                raise NoPlaceError("no turn to write")
            member.turn.acquire()  # too late to step back: it is being done, or is to lead
        if member.leads:
            self._lead(member)

    def _lead(self, first: MemberT) -> None:
        """Act for the first and all who wait, and hand over to the next who came meanwhile."""
        with self._lock:
            count = len(self._waiting) if self._most is None else min(len(self._waiting), self._most - 1)
            others = [self._waiting.popleft() for _ in range(count)]
        try:
            self._do([first, *others])
        finally:
            with self._lock:
                following = self._waiting.popleft() if self._waiting else None
                if following is None:
                    self._led = False
                else:
                    following.leads = True
            for member in (*others, *([following] if following else [])):
                member.turn.release()

    def _do(self, members: Sequence[MemberT]) -> None:
        try:
            self._act(members)
        except Exception as error:  # noqa: BLE001 - whatever it is, each of the members raises it
            # What was refused counts no more, either: it may have been for the sake of a write that is not kept.
            members[0].error = error
            # Each its own: a traceback grows in the thread that raises it.
            for member in members[1:]:
                member.error = copy(error).with_traceback(error.__traceback__)
                member.error.__cause__ = error.__cause__
        except BaseException:
            for member in members:
                member.error = NoPlaceError("whoever was writing was stopped")
            raise
