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
    """Making one opens nothing: connections begin at the first use, in the process that uses them."""

    @property
    def product(self) -> str:
        """What people call it: "MongoDB", "SQLite", "PostgreSQL", "MySQL"."""

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
        """Bring the indexes or the schema up to date; idempotent, and safe when several do it at once.

        Raises `UnusableStoreError`, and `Unavailable` when the store does not answer.
        """

    def ping(self) -> None:
        """Ask the store for a sign of life; raises `Unavailable` when there is none."""

    def problems(self) -> list[str]:
        """What is wrong with indexes, schema or settings of the store, a line each; empty when all is well.

        A line that begins with "note:" tells of what is only worth knowing.
        """

    def close(self) -> None:
        """Close all connections; the store can be used again afterwards."""
