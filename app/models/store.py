"""A store: all repositories over one database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.models.event import Events
    from app.models.held_email import HeldEmails
    from app.models.keyring import Keyrings
    from app.models.lease import Leases
    from app.models.login_failures import LoginFailures
    from app.models.mail_request import MailRequests
    from app.models.sample_product import SampleProducts
    from app.models.session import Sessions
    from app.models.user import Users
    from app.models.visits import Visits


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
