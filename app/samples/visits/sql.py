"""The count of visits in SQL: one row.

Every visit writes it, so they would stand in line for it, each with a commit of its own. Instead those that come while
one write is under way are counted together by the next.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sqlalchemy import BigInteger, Column, Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.store.sql.backend import PLACE_SECONDS
from app.store.sql.columns import exact
from app.store.sql.database import answer_or_unavailable
from app.store.sql.group_commit import GroupCommit, Member
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.store.sql.connection import Connection
    from app.store.sql.database import Database

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
        self._commits: GroupCommit[Member[int]] = GroupCommit(self._count, PLACE_SECONDS)

    def add_one(self) -> int:
        visit: Member[int] = Member()
        with answer_or_unavailable(self._database.backend):
            self._commits.join(visit)
            return visit.outcome()

    def _count(self, visits: Sequence[Member[int]]) -> None:
        first = self._increase(len(visits)) - len(visits) + 1
        for number, visit in enumerate(visits, first):
            visit.result = number

    def _increase(self, more: int) -> int:
        """The count with so many more."""

        def write(connection: Connection) -> int | None:
            if connection.execute(_INCREASE, {"more": more}).rowcount == 0:
                return None
            counted: int | None = connection.execute(_COUNT).scalar()
            return counted  # others wait for the row until the transaction ends

        while (count := self._database.write(write)) is None:
            with suppress(IntegrityError):  # another was the first visitor
                self._database.change(_BEGIN, {"name": _NAME, "count": 0})
        return count
