"""The store on SQL: the repositories over one database, and the database itself: schema, health, clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar, cast

from sqlalchemy import select

from app.platform import clock as system
from app.store.sql.backends import backend_of
from app.store.sql.database import Database, answer_or_unavailable, starting
from app.store.sql.revision import revision_of
from app.store.sql.schema import REVISION
from app.store.store import implementations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.platform.clock import Clock

T = TypeVar("T")
_CLOCK_SECONDS: Final = 5
"""How far the clocks of this machine and of the server may be apart."""


class SqlStore:
    """`app.store.store.Store` on SQL."""

    def __init__(self, url: str, repositories: Iterable[type], *, clock: Clock = system.now) -> None:
        """`url` is one of SQLAlchemy, as app.config gives it. Raises ValueError for another backend.

        `repositories` are the Protocols of all repositories. Opening them imports all tables.
        """
        self._database = Database(backend_of(url))
        self._clock = clock
        self.common_name = self._database.backend.name
        self._repositories = {kind: made(self._database) for kind, made in implementations(repositories, "sql").items()}

    def repository(self, kind: type[T]) -> T:
        return cast("T", self._repositories[kind])

    def prepare(self) -> None:
        """Bring the schema up to date.

        Raises SchemaError when it is newer than this version of the service, and UnusableStoreError for what waiting
        does not mend: a refused option, or a missing user, database or right.
        """
        backend = self._database.backend
        with starting(backend):
            backend.create()
            revision = self._database.read(revision_of)
        if revision == REVISION:
            return
        # Alembic takes 0.2 s and 11 MB, and nearly always there is nothing to do.
        from app.store.sql.migrate import upgrade_backend  # noqa: PLC0415 - see above

        with starting(backend):
            upgrade_backend(backend)

    def ping(self) -> None:
        self._database.probe()

    def problems(self) -> list[str]:
        revision = self._revision()
        if revision is None:
            return ["it has not been made yet: the first start makes it, or run flask db upgrade"]
        if revision != REVISION:
            return [f"the schema is at revision {revision}, not {REVISION}: run flask db upgrade"]
        from app.store.sql.migrate import differences  # noqa: PLC0415 - as in `prepare`

        backend = self._database.backend
        with answer_or_unavailable(backend):
            problems = self._database.read(differences) + backend.server_problems()
        return problems + self._clock_problems()

    def close(self) -> None:
        self._database.close()

    def _revision(self) -> str | None:
        with answer_or_unavailable(self._database.backend):
            return self._database.read(revision_of)

    def _clock_problems(self) -> list[str]:
        asked = self._database.backend.server_time
        if asked is None:
            return []
        theirs = self._database.rows(select(asked))[0][0]
        seconds = abs(theirs - self._clock()).total_seconds()
        if seconds <= _CLOCK_SECONDS:
            return []
        return [f"the clock of the database differs from this machine's by {seconds:.0f} s: synchronise both"]
