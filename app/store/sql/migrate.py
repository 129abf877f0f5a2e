"""The migrations of the schema, from `migrations/` beside `app/`.

They only go forward: to go back, restore a backup.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Index, Table

from app.store.sql.backends import backend_of
from app.store.sql.database import answer_or_unavailable
from app.store.sql.revision import SchemaError, revision_of
from app.store.sql.schema import METADATA, MIGRATIONS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.store.sql.backend import Backend


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema, and the revision that it leads to."""

    revision: str
    summary: str


def upgrade(url: str) -> None:
    """Bring the schema up to date; safe to run concurrently. Raises SchemaError or Unavailable."""
    upgrade_backend(backend_of(url))


def current(url: str) -> str | None:
    """The revision that the database is at, None before the first; raises Unavailable."""
    backend = backend_of(url)
    with answer_or_unavailable(backend):
        backend.create()
        with backend.reader.connect() as connection:
            return revision_of(connection)


def history() -> list[Migration]:
    """All migrations that this version of the service knows, the first one first."""
    steps = reversed(list(ScriptDirectory.from_config(_config()).walk_revisions()))
    return [Migration(step.revision, step.doc) for step in steps]


def upgrade_backend(backend: Backend) -> None:
    """The same as `upgrade`, for a caller that already has the backend."""
    config = _config()
    with ExitStack() as stack:
        with answer_or_unavailable(backend):
            backend.create()
            connection = stack.enter_context(backend.migrating())
        # A failure from here on is the migration's, not the database's: it is shown unchanged.
        _refuse_newer(revision_of(connection))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def differences(connection: Connection) -> list[str]:
    """What the tables lack, compared with those of the code, one line each. Anything beyond is the operator's."""
    # A backend rarely reports a type by the name that it was created with.
    context = MigrationContext.configure(connection, opts={"compare_type": False})
    changes: list[tuple[Any, ...]] = []
    for found in compare_metadata(context, METADATA):
        # A tuple for a whole table, column or index; a list of tuples for differences within a column.
        changes += found if isinstance(found, list) else [found]
    return [_line(change) for change in changes if not change[0].startswith("remove_")]


def _refuse_newer(revision: str | None) -> None:
    known = {migration.revision for migration in history()}
    if revision is not None and revision not in known:
        raise SchemaError(
            f"the database's schema is at revision {revision}, which this version of Latchkey does not know:"
            " start the version that migrated it, or restore a backup from before"
        )


def _config() -> Config:
    config = Config()
    # Not relative to the working directory, which may be any.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _line(change: tuple[Any, ...]) -> str:
    match change:
        case ("add_table", Table(name=table)):
            return f"the table {table} is missing"
        case ("add_column", _, table, Column(name=column)):
            return f"the column {column} of the table {table} is missing"
        case ("add_index", Index(name=index, table=Table(name=table))):
            return f"the index {index} of the table {table} is missing, or another has its name"
        case (kind, _, table, column, _, found, meant):
            return f"the column {column} of the table {table} has the {kind[7:]} {found!r}, not {meant!r}"
        case (kind, thing):
            return f"{kind} {thing!r}"
    raise AssertionError(change)
