"""The count of visits in SQL: one row.

Every visit writes it, so they would stand in line for it, each with a commit of its own. Instead those that come while
one write is under way are counted together by the next.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from copy import copy
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias

from sqlalchemy import BigInteger, Column, Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.platform.errors import Unavailable
from app.store.sql.columns import exact
from app.store.sql.product import PLACE_SECONDS
from app.store.sql.schema import METADATA, ON_MYSQL
from app.store.sql.waits import seconds_for

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.store.sql.database import Database

    Numbers: TypeAlias = list[Future[int]]

VISITS: Final = Table(
    "visits",
    METADATA,
    Column("name", exact(32), primary_key=True),
    Column("count", BigInteger, nullable=False),
    **ON_MYSQL,
)


_NAME: Final = "all"
_THIS: Final = VISITS.c.name == _NAME
_INCREASE: Final = update(VISITS).where(_THIS).values(count=VISITS.c.count + bindparam("more"))
_COUNT: Final = select(VISITS.c.count).where(_THIS)
_BEGIN: Final = insert(VISITS)


class SqlVisits:
    """`app.samples.visits.model.Visits` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: Numbers = []
        self._lock = Lock()
        """Held for a look at those that wait."""
        self._writing = Lock()

    def add_one(self) -> int:
        number: Future[int] = Future()
        with self._lock:
            self._waiting.append(number)
        if self._writing.acquire(timeout=seconds_for(PLACE_SECONDS)):
            try:
                if not number.done():
                    self._count_waiting()
            finally:
                self._writing.release()
        else:
            with self._lock, suppress(ValueError):  # too late to step back: it is being counted
                self._waiting.remove(number)
                raise Unavailable(retry_after=1)
        return number.result()

    def _count_waiting(self) -> None:
        with self._lock:
            numbers, self._waiting = self._waiting, []
        try:
            last = self._increase(len(numbers))
        except Exception as error:  # noqa: BLE001 - whatever it is, each of the visits raises it
            numbers[0].set_exception(error)
            # Each its own: a traceback grows in the thread that raises it.
            for number in numbers[1:]:
                number.set_exception(copy(error).with_traceback(error.__traceback__))
        else:
            for position, number in enumerate(reversed(numbers)):
                number.set_result(last - position)

    def _increase(self, more: int) -> int:
        """The count with so many more."""

        def write(connection: Connection) -> int | None:
            if connection.execute(_INCREASE, {"more": more}).rowcount == 0:
                return None
            return connection.scalar(_COUNT)  # others wait for the row until the transaction ends

        while (count := self._database.write(write)) is None:
            with suppress(IntegrityError):  # another was the first visitor
                self._database.change(_BEGIN, {"name": _NAME, "count": 0})
        return count
