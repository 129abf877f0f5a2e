"""A store: all repositories over one database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.accounts.held_emails.model import HeldEmails
    from app.accounts.mail_requests.model import MailRequests
    from app.accounts.model import Users
    from app.audit.model import Events
    from app.jobs.model import Leases
    from app.keys.model import Keyrings
    from app.samples.products.model import SampleProducts
    from app.samples.visits.model import Visits
    from app.sessions.model import Sessions
    from app.throttle.model import LoginFailures


class Store(Protocol):
    """Creating one opens nothing: connections are opened at first use, in the process that uses them."""

    @property
    def product(self) -> str:
        """Its common name: "MongoDB", "SQLite", "PostgreSQL", "MySQL"."""

    @property
    def users(self) -> Users: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def held_emails(self) -> HeldEmails: ...
    @property
    def mail_requests(self) -> MailRequests: ...
    @property
    def events(self) -> Events: ...
    @property
    def login_failures(self) -> LoginFailures: ...
    @property
    def keyrings(self) -> Keyrings: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def sample_products(self) -> SampleProducts: ...
    @property
    def visits(self) -> Visits: ...

    def prepare(self) -> None:
        """Bring the indexes or the schema up to date; idempotent, and safe to run concurrently.

        Raises `UnusableStoreError`, and `Unavailable` when the store does not answer.
        """

    def ping(self) -> None:
        """Check that the store answers; raises `Unavailable` if it does not."""

    def problems(self) -> list[str]:
        """What is wrong with the indexes, schema or settings of the store, a line each; empty when all is well.

        A line that begins with "note:" is for information only.
        """

    def close(self) -> None:
        """Close all connections; the store can be used again afterwards."""
