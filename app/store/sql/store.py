"""The store on SQL: the repositories over one database, and the care of the database itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from app.accounts.held_emails.sql import SqlHeldEmails
from app.accounts.mail_requests.sql import SqlMailRequests
from app.accounts.sql import SqlUsers
from app.audit.sql import SqlEvents
from app.jobs.sql import SqlLeases
from app.keys.sql import SqlKeyrings
from app.platform import clock as system
from app.samples.products.sql import SqlSampleProducts
from app.samples.visits.sql import SqlVisits
from app.sessions.sql import SqlSessions
from app.store.sql.database import Database, answering, starting
from app.store.sql.products import product_of
from app.store.sql.revision import revision_of
from app.store.sql.schema import REVISION
from app.throttle.sql import SqlLoginFailures

if TYPE_CHECKING:
    from app.platform.clock import Clock

_CLOCK_SECONDS: Final = 5
"""How far the clocks of this machine and of the server may be apart."""


class SqlStore:
    """`app.store.store.Store` on SQL."""

    def __init__(self, url: str, *, clock: Clock = system.now) -> None:
        """`url` is one of SQLAlchemy, as app.config gives it. Raises ValueError for another product."""
        self._database = Database(product_of(url))
        self._clock = clock
        self.product = self._database.product.name
        self.users = SqlUsers(self._database)
        self.sessions = SqlSessions(self._database)
        self.held_emails = SqlHeldEmails(self._database)
        self.mail_requests = SqlMailRequests(self._database)
        self.events = SqlEvents(self._database)
        self.login_failures = SqlLoginFailures(self._database)
        self.keyrings = SqlKeyrings(self._database)
        self.leases = SqlLeases(self._database)
        self.sample_products = SqlSampleProducts(self._database)
        self.visits = SqlVisits(self._database)

    def prepare(self) -> None:
        """Bring the schema up to date.

        Raises SchemaError when it is newer than this version of the service, and UnusableStoreError for what does not
        pass by itself: an option that the driver refuses, a user, a database or a right that is missing.
        """
        product = self._database.product
        with starting(product):
            product.create()
            revision = self._database.read(revision_of)
        if revision == REVISION:
            return
        # Alembic takes 0.2 s and 11 MB, and nearly always there is nothing to do.
        from app.store.sql.migrate import upgrade_product  # noqa: PLC0415 - see above

        with starting(product):
            upgrade_product(product)

    def ping(self) -> None:
        self._database.probe()

    def problems(self) -> list[str]:
        revision = self._revision()
        if revision is None:
            return ["it has not been made yet: the first start makes it, or run flask db upgrade"]
        if revision != REVISION:
            return [f"the schema is at revision {revision}, not {REVISION}: run flask db upgrade"]
        from app.store.sql.migrate import differences  # noqa: PLC0415 - as in `prepare`

        product = self._database.product
        with answering(product):
            problems = self._database.read(differences) + product.server_problems()
        return problems + self._clock_problems()

    def close(self) -> None:
        self._database.close()

    def _revision(self) -> str | None:
        with answering(self._database.product):
            return self._database.read(revision_of)

    def _clock_problems(self) -> list[str]:
        asked = self._database.product.server_time
        if asked is None:
            return []
        theirs = self._database.rows(select(asked))[0][0]
        seconds = abs(theirs - self._clock()).total_seconds()
        if seconds <= _CLOCK_SECONDS:
            return []
        return [f"the clock of the database differs from this machine's by {seconds:.0f} s: synchronise both"]
