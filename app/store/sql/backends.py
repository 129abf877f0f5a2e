"""Finds the backend of a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import make_url

if TYPE_CHECKING:
    from app.store.sql.backend import Backend


def backend_of(url: str) -> Backend:
    """The backend that a SQLAlchemy URL names. Only its own driver is imported, which saves memory."""
    address = make_url(url)
    match address.get_backend_name():
        case "sqlite":
            from app.store.sql.sqlite import Sqlite  # noqa: PLC0415 - see above

            return Sqlite(address)
        case "postgresql":
            from app.store.sql.postgresql import Postgresql  # noqa: PLC0415 - see above

            return Postgresql(address)
        case "mysql" | "mariadb":
            from app.store.sql.mysql import Mysql  # noqa: PLC0415 - see above

            return Mysql(address)
        case other:
            raise ValueError(f"there is no store on {other}; use sqlite, postgresql or mysql")
