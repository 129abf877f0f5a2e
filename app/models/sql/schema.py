"""The tables. A change here needs a migration in `migrations/versions/` and the new REVISION."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from app.models.session import LONGEST_USER_AGENT
from app.models.sql.columns import INSTANT, LONG_TEXT, PRICE, exact

REVISION: Final = "0003"
"""The revision of `migrations/` that makes exactly these tables."""

ON_MYSQL: Final[dict[str, Any]] = {
    f"{product}_{option}": value
    for product in ("mysql", "mariadb")
    for option, value in {"engine": "InnoDB", "charset": "utf8mb4", "collate": "utf8mb4_bin"}.items()
}
"""Transactions, every character, and texts that are compared byte by byte."""

METADATA: Final = MetaData()

USERS: Final = Table(
    "users",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column("email", String(320)),
    Column("email_key", exact(320)),
    Column("email_verified", Boolean, nullable=False),
    Column("username", String(64)),
    Column("username_key", exact(64)),
    Column("name", String(255)),
    # Names separated by commas: every request reads them, in the one row of its user, without a second table
    # to be joined and aggregated differently on each product. Lists by role read the users in their order.
    Column("roles", Text, nullable=False),
    Column("status", exact(16), nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("last_login_at", INSTANT),
    Column("password_hash", exact(512)),
    Column("auth_epoch", Integer, nullable=False),
    Column("kept_session", exact(36)),
    # What is under way, as JSON: it is read and replaced together with its user, and nothing is looked for in it.
    Column("codes", LONG_TEXT),
    Column("pending_email", LONG_TEXT),
    Column("pending_email_key", exact(320)),
    Column("undo_offers", LONG_TEXT),
    Column("notices", LONG_TEXT),
    Column("due_at", INSTANT),
    # The default lets a version from before this column go on adding users until it has been replaced everywhere.
    Column("revision", Integer, nullable=False, server_default="0"),
    Index("users_by_email", "email_key", unique=True),
    Index("users_by_username", "username_key", unique=True),
    Index("users_by_pending_email", "pending_email_key"),
    Index("users_by_due", "due_at"),
    **ON_MYSQL,
)

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("id", exact(36), primary_key=True),
    # The purge of a deleted user deletes his sessions first, some at a time; the cascade makes sure that none
    # outlives him, even when an operator deletes a user by hand.
    Column("user_id", exact(36), ForeignKey("users.id", name="sessions_of_user", ondelete="CASCADE"), nullable=False),
    Column("auth_epoch", Integer, nullable=False),
    Column("seed", LargeBinary(32), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("last_used_at", INSTANT, nullable=False),
    Column("idle_expires_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("ip", String(64), nullable=False),
    Column("user_agent", String(LONGEST_USER_AGENT), nullable=False),
    Column("rotated_at", INSTANT),
    Index("sessions_by_user", "user_id"),
    Index("sessions_by_idle_expiry", "idle_expires_at"),
    Index("sessions_by_expiry", "expires_at"),
    **ON_MYSQL,
)

HELD_EMAILS: Final = Table(
    "held_emails",
    METADATA,
    Column("email_key", exact(320), primary_key=True),
    Column("user_id", exact(36), nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Index("held_emails_by_expiry", "expires_at"),
    **ON_MYSQL,
)

MAIL_REQUESTS: Final = Table(
    "mail_requests",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column("kind", exact(16), nullable=False),
    Column("email", String(320), nullable=False),
    Column("email_key", exact(320), nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("due_at", INSTANT),
    Column("attempts", Integer, nullable=False),
    Column("registration", LONG_TEXT),
    Index("mail_requests_by_due", "due_at"),
    Index("mail_requests_by_email", "email_key"),
    Index("mail_requests_by_expiry", "expires_at"),
    **ON_MYSQL,
)

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("id", exact(36), primary_key=True),
    # No foreign key: what happened to a user stays known when he is gone.
    Column("user_id", exact(36), nullable=False),
    Column("action", exact(64), nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("ip", String(64)),
    Column("user_agent", String(LONGEST_USER_AGENT)),
    Column("expires_at", INSTANT, nullable=False),
    Column("details", LONG_TEXT),
    Index("events_by_user", "user_id", "id"),
    Index("events_by_expiry", "expires_at"),
    **ON_MYSQL,
)

LOGIN_FAILURES: Final = Table(
    "login_failures",
    METADATA,
    Column("digest", exact(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("blocked_until", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Index("login_failures_by_expiry", "expires_at"),
    **ON_MYSQL,
)

KEYRINGS: Final = Table(
    "keyrings",
    METADATA,
    Column("name", exact(32), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", LONG_TEXT, nullable=False),
    **ON_MYSQL,
)

LEASES: Final = Table(
    "leases",
    METADATA,
    Column("job", exact(64), primary_key=True),
    Column("holder", exact(128), nullable=False),
    Column("until", INSTANT, nullable=False),
    **ON_MYSQL,
)

SAMPLE_PRODUCTS: Final = Table(
    "sample_products",
    METADATA,
    Column("id", exact(36), primary_key=True),
    # As for sessions: the purge of a deleted user deletes his products, and none outlives him in any case.
    Column(
        "owner_id",
        exact(36),
        ForeignKey("users.id", name="sample_products_of_user", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("name", String(100), nullable=False),
    Column("price", PRICE, nullable=False),
    Column("description", String(1000)),
    Column("created_at", INSTANT, nullable=False),
    Index("sample_products_by_owner", "owner_id", "id"),
    **ON_MYSQL,
)

VISITS: Final = Table(
    "visits",
    METADATA,
    Column("name", exact(32), primary_key=True),
    Column("count", BigInteger, nullable=False),
    **ON_MYSQL,
)
