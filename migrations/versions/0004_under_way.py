"""What is under way in an account, in one column."""

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store.sql.columns import LONG_TEXT, exact

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FORMER = ("codes", "pending_email", "undo_offers", "notices")
"""The columns whose contents, which are JSON, become fields of the one document."""
AT_ONCE = 500

USERS = sa.table("users", sa.column("id", exact(36)), *(sa.column(name, LONG_TEXT) for name in (*FORMER, "under_way")))


def upgrade() -> None:
    add_column("users", sa.Column("under_way", LONG_TEXT))
    former = [name for name in FORMER if name in columns_of("users")]
    if former:
        move(former)
    for name in former:
        op.drop_column("users", name)


def move(former: list[str]) -> None:
    """Gather the former columns of each row that has something in one of them, AT_ONCE rows at a time.

    After a crash in the middle, when some of the columns are gone, all has been moved: each row keeps what it has.
    """
    connection = op.get_bind()
    some = (
        sa.select(USERS.c.id, *(USERS.c[name] for name in former))
        .where(
            USERS.c.id > sa.bindparam("behind"),
            USERS.c.under_way.is_(None),
            sa.or_(*(USERS.c[name].is_not(None) for name in former)),
        )
        .order_by(USERS.c.id)
        .limit(AT_ONCE)
    )
    write = sa.update(USERS).where(USERS.c.id == sa.bindparam("user_id")).values(under_way=sa.bindparam("document"))
    behind = ""
    while rows := connection.execute(some, {"behind": behind}).all():
        connection.execute(write, [{"user_id": row[0], "document": document(former, row[1:])} for row in rows])
        behind = rows[-1][0]


def document(names: list[str], texts: Iterable[str | None]) -> str:
    found = {name: json.loads(text) for name, text in zip(names, texts, strict=True) if text is not None}
    if "notices" in found:
        found["outbox"] = [entry(notice) for notice in found.pop("notices")]
    return json.dumps(found)


def entry(notice: dict[str, Any]) -> dict[str, Any]:
    """The entry of the outbox that holds a mail which waits."""
    payload = {name: notice[name] for name in ("to", "queued_at", "facts", "code_id") if notice.get(name) is not None}
    return {
        "id": notice["id"],
        "kind": "mail",
        "payload": {"letter": notice["kind"], **payload},
        "due_at": notice["queued_at"],
        "attempts": notice["attempts"],
    }


# MySQL keeps each statement at once: after a crash in the middle, what is already there is left out.


def columns_of(table: str) -> set[str]:
    return {found["name"] for found in sa.inspect(op.get_bind()).get_columns(table)}


def add_column(table: str, column: sa.Column[Any]) -> None:
    if column.name not in columns_of(table):
        op.add_column(table, column)
