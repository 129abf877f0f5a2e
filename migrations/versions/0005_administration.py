"""Administration: roles, search, audit, API keys, service accounts, webhooks, impersonation, moving in.

It only adds: during a rolling update the former version runs on this schema, too. So new columns are nullable or have a
default of the server.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store.sql.columns import INSTANT, LONG_TEXT, exact

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ON_MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}
AT_ONCE = 500

USERS = sa.table("users", sa.column("id", exact(36)), sa.column("roles", sa.Text))
USER_ROLES = sa.table("user_roles", sa.column("role", exact(64)), sa.column("user_id", exact(36)))


def upgrade() -> None:
    _roles()
    _audit_actor()
    _search()
    _audit()
    _api_keys()
    _service_accounts()
    _webhooks()
    _impersonation()
    _transfer()


def _roles() -> None:
    """Roles as data, and users by role."""
    for name in ("role_books", "guards"):
        create_table(
            name,
            sa.Column("name", exact(32), primary_key=True),
            sa.Column("version", sa.Integer, nullable=False),
            sa.Column("document", LONG_TEXT, nullable=False),
        )
    create_table(
        "user_roles",
        sa.Column("role", exact(64), primary_key=True),
        sa.Column(
            "user_id",
            exact(36),
            sa.ForeignKey("users.id", name="roles_of_user", ondelete="CASCADE"),
            primary_key=True,
        ),
    )
    create_index("user_roles_by_user", "user_roles", "user_id")
    _list_roles()


def _list_roles() -> None:
    """List the roles of each user, AT_ONCE users at a time. After a crash in the middle, those listed are left out."""
    connection = op.get_bind()
    of_some = sa.bindparam("ids", expanding=True)
    for users in _users(connection):
        rows = sa.select(USER_ROLES.c.role, USER_ROLES.c.user_id).where(USER_ROLES.c.user_id.in_(of_some))
        listed = {tuple(row) for row in connection.execute(rows, {"ids": [user_id for user_id, _ in users]})}
        there = {(role, user_id) for user_id, roles in users if roles for role in roles.split(",")}
        if missing := sorted(there - listed):
            connection.execute(sa.insert(USER_ROLES), [{"role": role, "user_id": user_id} for role, user_id in missing])


def _users(connection: sa.Connection) -> Iterator[list[tuple[str, str]]]:
    behind = ""
    some = sa.select(USERS.c.id, USERS.c.roles).where(USERS.c.id > sa.bindparam("behind")).order_by(USERS.c.id)
    while rows := connection.execute(some.limit(AT_ONCE), {"behind": behind}).all():
        yield [(user_id, roles) for user_id, roles in rows]
        behind = rows[-1][0]


def _audit_actor() -> None:
    """Who did what an audit event tells, if that is another user."""
    add_column("events", sa.Column("actor_id", exact(36)))


def _search() -> None:
    """Users by name and by status. A job fills in both (`app.administration.search.UserFinder.mend_keys`)."""
    add_column("users", sa.Column("name_key", exact(100)))
    add_column("users", sa.Column("listed_status", exact(16)))
    create_index("users_by_name", "users", "name_key", "id")
    create_index("users_by_status", "users", "listed_status", "id")


def _audit() -> None:
    """The chain of audit events, and queries of them."""
    for column in (
        sa.Column("outcome", exact(16)),
        sa.Column("request_id", exact(64)),
        sa.Column("salt", exact(22)),
        sa.Column("digest", exact(43)),
        sa.Column("signature", exact(64)),
        sa.Column("seq", sa.BigInteger),
    ):
        add_column("events", column)
    create_index("events_by_user_and_time", "events", "user_id", "at", "id")
    create_index("events_by_action_and_time", "events", "action", "at", "id")
    create_index("events_by_time", "events", "at", "id")
    create_index("events_by_seal", "events", "seq", "id")
    create_table(
        "event_links",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("event_id", exact(36), nullable=False),
        sa.Column("sealed_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("verdict", exact(16), nullable=False),
        sa.Column("content", exact(43), nullable=False),
        sa.Column("hash", exact(43), nullable=False),
        sa.Column("secret", exact(16), nullable=False),
        sa.Column("mac", exact(43), nullable=False),
    )
    create_index("event_links_by_event", "event_links", "event_id", unique=True)
    create_index("event_links_by_time", "event_links", "sealed_at")
    create_table(
        "event_checkpoints",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kept_until", INSTANT, nullable=False),
        sa.Column("token", LONG_TEXT, nullable=False),
        sa.Column("secret", exact(16), nullable=False),
        sa.Column("mac", exact(43), nullable=False),
    )


def _api_keys() -> None:
    """API keys."""
    create_table(
        "api_keys",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column(
            "user_id",
            exact(36),
            sa.ForeignKey("users.id", name="api_keys_of_user", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("permissions", LONG_TEXT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("last_used_at", INSTANT),
    )
    create_index("api_keys_by_user", "api_keys", "user_id")
    create_index("api_keys_by_expiry", "api_keys", "expires_at")


def _service_accounts() -> None:
    """Users that are no people."""
    add_column("users", sa.Column("kind", exact(16)))
    create_index("users_by_kind", "users", "kind", "id")


def _webhooks() -> None:
    """Webhooks and their deliveries."""
    create_table(
        "webhook_books",
        sa.Column("name", exact(32), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),
    )
    create_table(
        "webhook_deliveries",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column("webhook_id", exact(36), nullable=False),
        sa.Column("event", exact(64), nullable=False),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("next_attempt_at", INSTANT),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("user_id", exact(36)),
        sa.Column("status", exact(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("response_status", sa.Integer),
        sa.Column("error", sa.String(200)),
    )
    create_index("webhook_deliveries_by_webhook", "webhook_deliveries", "webhook_id", "id")
    create_index("webhook_deliveries_by_due", "webhook_deliveries", "webhook_id", "next_attempt_at")
    create_index("webhook_deliveries_by_user", "webhook_deliveries", "user_id")
    create_index("webhook_deliveries_by_expiry", "webhook_deliveries", "expires_at")


def _impersonation() -> None:
    """Sessions in which an administrator acts for a user."""


def _transfer() -> None:
    """The mix of password hashes, which imports change."""
    create_table(
        "hash_mixes",
        sa.Column("name", exact(32), primary_key=True),
        sa.Column("counted_at", INSTANT, nullable=False),
        sa.Column("counts", LONG_TEXT, nullable=False),
    )


# MySQL commits each statement at once: after a crash in the middle, what already exists is skipped.


def create_table(name: str, *columns: sa.Column[Any]) -> None:
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *columns, **ON_MYSQL)


def create_index(name: str, table: str, *columns: str, unique: bool = False) -> None:
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns, unique=unique)


def add_column(table: str, column: sa.Column[Any]) -> None:
    if column.name not in {found["name"] for found in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)
