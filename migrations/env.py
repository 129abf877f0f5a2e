"""Alembic's entry point: runs the migrations on the connection for which app/store/sql/migrate.py holds the lock."""

from alembic import context
from alembic.util import CommandError

from app.store.sql.schema import METADATA

connection = context.config.attributes.get("connection")
if connection is None:
    raise CommandError("run `flask db` instead of `alembic`: it knows the database and takes the lock")

context.configure(connection=connection, target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
