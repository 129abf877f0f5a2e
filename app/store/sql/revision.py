"""The revision of a database's schema; not in `migrate.py`, whose library would slow a start by 0.2 s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import column, inspect, select, table

from app.store.unusable import UnusableStoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_VERSIONS = table("alembic_version", column("version_num"))


class SchemaError(UnusableStoreError):
    """The database has a schema that this version of the service cannot work with; the text says what to do."""


def revision_of(connection: Connection) -> str | None:
    """The revision of the last migration that ran; None if none did."""
    if not inspect(connection).has_table(_VERSIONS.name):
        return None
    revision: str | None = connection.scalar(select(_VERSIONS.c.version_num))
    return revision
