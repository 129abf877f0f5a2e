"""The authorization server: clients, codes, consents, and the sessions of clients.

It only adds: during a rolling update the former version runs on this schema, too. So new columns are nullable or have a
default of the server.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store.sql.columns import INSTANT, LONG_TEXT, exact

revision = "0008"
down_revision = "0007"
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


def upgrade() -> None:
    _sessions()
    _clients()
    _requests()
    _codes()
    _consents()
    _device_codes()
    _small_ones()
    _providers()


def _sessions() -> None:
    """What a session of a client was given."""
    add_column("sessions", sa.Column("client_id", exact(400)))
    add_column("sessions", sa.Column("first_party", sa.Boolean))
    add_column("sessions", sa.Column("scopes", LONG_TEXT))
    add_column("sessions", sa.Column("resources", LONG_TEXT))
    add_column("sessions", sa.Column("parent_id", exact(36)))
    add_column("sessions", sa.Column("dpop_jkt", exact(43)))
    create_index("sessions_by_client", "sessions", "client_id", "user_id")
    create_index("sessions_by_parent", "sessions", "parent_id")


def _clients() -> None:
    create_table(
        "clients",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("kind", exact(16), nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),  # what else it has, as JSON
        sa.Column("has_logout", sa.Boolean, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    create_table(
        "oauth_catalogues",
        sa.Column("name", exact(32), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),
    )


def _requests() -> None:
    """Authorization requests that wait for their user, and pushed ones (RFC 9126)."""
    create_table(
        "oauth_requests",
        sa.Column("id", exact(64), primary_key=True),
        sa.Column("client_id", exact(400), nullable=False),
        sa.Column("parameters", LONG_TEXT, nullable=False),
        sa.Column("pushed", sa.Boolean, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    create_index("oauth_requests_by_expiry", "oauth_requests", "expires_at")


def _codes() -> None:
    create_table(
        "oauth_codes",
        sa.Column("id", exact(64), primary_key=True),
        of_user("oauth_codes"),
        sa.Column("auth_epoch", sa.Integer, nullable=False),
        sa.Column("client_id", exact(400), nullable=False),
        sa.Column("redirect_uri", sa.String(1000), nullable=False),
        sa.Column("scopes", LONG_TEXT, nullable=False),
        sa.Column("resources", LONG_TEXT, nullable=False),
        sa.Column("challenge", exact(43), nullable=False),
        sa.Column("authenticated_at", INSTANT, nullable=False),
        sa.Column("amr", sa.String(64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("first_party", sa.Boolean, nullable=False),
        sa.Column("redirect_uri_sent", sa.Boolean, nullable=False),
        sa.Column("parent_id", exact(36)),
        sa.Column("nonce", LONG_TEXT),
        sa.Column("used_at", INSTANT),
        sa.Column("session_id", exact(36)),
        sa.Column("reused_at", INSTANT),
        sa.Column("dpop_jkt", exact(43)),
    )
    create_index("oauth_codes_by_user", "oauth_codes", "user_id")
    create_index("oauth_codes_by_expiry", "oauth_codes", "expires_at")


def _consents() -> None:
    create_table(
        "oauth_consents",
        sa.Column("id", exact(36), primary_key=True),
        of_user("oauth_consents"),
        sa.Column("client_id", exact(400), nullable=False),
        sa.Column("client_name", sa.String(100), nullable=False),
        sa.Column("scopes", LONG_TEXT, nullable=False),
        sa.Column("resources", LONG_TEXT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("last_used_at", INSTANT),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    create_index("oauth_consents_of_client", "oauth_consents", "user_id", "client_id", unique=True)
    create_index("oauth_consents_by_client", "oauth_consents", "client_id")


def _device_codes() -> None:
    create_table(
        "oauth_device_codes",
        sa.Column("id", exact(64), primary_key=True),
        sa.Column("user_code", exact(64), nullable=False),
        sa.Column("client_id", exact(400), nullable=False),
        sa.Column("scopes", LONG_TEXT, nullable=False),
        sa.Column("resources", LONG_TEXT, nullable=False),
        sa.Column("status", exact(16), nullable=False),
        sa.Column("pause", sa.Integer, nullable=False),  # seconds between two polls; `interval` is a word of SQL
        sa.Column("polled_at", INSTANT),
        sa.Column(
            "user_id", exact(36), sa.ForeignKey("users.id", name="oauth_device_codes_of_user", ondelete="CASCADE")
        ),
        sa.Column("auth_epoch", sa.Integer),
        sa.Column("authenticated_at", INSTANT),
        sa.Column("amr", sa.String(64)),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    create_index("oauth_device_codes_by_user_code", "oauth_device_codes", "user_code", unique=True)
    create_index("oauth_device_codes_by_user", "oauth_device_codes", "user_id")
    create_index("oauth_device_codes_by_expiry", "oauth_device_codes", "expires_at")


def _small_ones() -> None:
    create_table(
        "registration_tokens",
        sa.Column("id", exact(64), primary_key=True),
        sa.Column("created_by", exact(36), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("uses_left", sa.Integer, nullable=False),
    )
    create_index("registration_tokens_by_expiry", "registration_tokens", "expires_at")
    create_table(
        "revoked_tokens",
        sa.Column("id", exact(64), primary_key=True),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    create_index("revoked_tokens_by_expiry", "revoked_tokens", "expires_at")
    create_table(
        "client_documents",
        sa.Column("id", exact(64), primary_key=True),  # the digest of its URL
        sa.Column("url", sa.String(400), nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),
        sa.Column("fetched_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    create_index("client_documents_by_expiry", "client_documents", "expires_at")
    create_table(
        "logout_notices",
        sa.Column("id", exact(36), primary_key=True),  # of the session that has ended: so each is told of once
        sa.Column("user_id", exact(36), nullable=False),  # no foreign key: a deletion is told of, too
        sa.Column("client_id", exact(400), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    create_index("logout_notices_by_due", "logout_notices", "due_at")
    create_index("logout_notices_by_expiry", "logout_notices", "expires_at")


def _providers() -> None:
    """Accounts at upstream providers, and logins that are under way there."""
    create_table(
        "provider_identities",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column("digest", exact(64), nullable=False),  # of issuer and subject
        sa.Column("user_id", exact(36), nullable=False),  # no foreign key: it is claimed before its user is made
        sa.Column("provider", exact(64), nullable=False),
        sa.Column("issuer", sa.String(400), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("email", sa.String(320)),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("last_used_at", INSTANT),
    )
    create_index("provider_identities_by_digest", "provider_identities", "digest", unique=True)
    create_index("provider_identities_by_user", "provider_identities", "user_id")
    create_table(
        "provider_flows",
        sa.Column("id", exact(64), primary_key=True),
        sa.Column("provider", exact(64), nullable=False),
        sa.Column("purpose", exact(16), nullable=False),
        sa.Column("browser", exact(64), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("redirect_to", LONG_TEXT),
        sa.Column("challenge", exact(43)),
        sa.Column("user_id", exact(36)),
        sa.Column("session_id", exact(36)),
        sa.Column("answer", LONG_TEXT),  # what the provider posted, as JSON
        sa.Column("taken_at", INSTANT),
        sa.Column("code", exact(64)),
        sa.Column("outcome", LONG_TEXT),  # who the provider says it is, as JSON
    )
    create_index("provider_flows_by_code", "provider_flows", "code", unique=True)
    create_index("provider_flows_by_user", "provider_flows", "user_id")
    create_index("provider_flows_by_expiry", "provider_flows", "expires_at")


def of_user(table: str) -> sa.Column[Any]:
    """The column that says whose a row is."""
    key = sa.ForeignKey("users.id", name=f"{table}_of_user", ondelete="CASCADE")
    return sa.Column("user_id", exact(36), key, nullable=False)


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
