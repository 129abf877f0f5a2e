"""Leases in SQL: a row for each job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Table, bindparam, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.store.sql.columns import INSTANT, exact
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

LEASES: Final = Table(
    "leases",
    METADATA,
    Column("job", exact(64), primary_key=True),
    Column("holder", exact(128), nullable=False),
    Column("until", INSTANT, nullable=False),
    **ON_MYSQL,
)


_TAKE_OVER: Final = update(LEASES).where(LEASES.c.job == bindparam("for_job"), LEASES.c.until <= bindparam("now"))
# Not a plain insert: workers keep asking for leases that others hold, and PostgreSQL logs each row it refuses.
_TAKE_FIRST: Final = (
    insert(LEASES)
    .from_select(
        [LEASES.c.job, LEASES.c.holder, LEASES.c.until],
        select(
            bindparam("for_job", type_=LEASES.c.job.type),
            bindparam("first_holder", type_=LEASES.c.holder.type),
            bindparam("first_until", type_=LEASES.c.until.type),
        ).where(~exists().where(LEASES.c.job == bindparam("for_job"))),
    )
    # SQLAlchemy counts the rows of an INSERT only when asked to.
    .execution_options(preserve_rowcount=True)
)


class SqlLeases:
    """`app.jobs.model.Leases` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, job: str, *, holder: str, now: datetime, until: datetime) -> bool:
        over = {"for_job": job, "now": now, "holder": holder, "until": until}
        if self._database.change(_TAKE_OVER, over) == 1:
            return True
        first = {"for_job": job, "first_holder": holder, "first_until": until}
        try:
            return self._database.change(_TAKE_FIRST, first) == 1
        except IntegrityError:
            # Another worker took it between the check and the insert.
            return False
