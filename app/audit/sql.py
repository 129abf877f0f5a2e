"""Audit events in SQL: one row each, the details as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    String,
    Table,
    and_,
    bindparam,
    column,
    exists,
    insert,
    null,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.exc import IntegrityError

from app.audit.model import SUCCESS, AuditEvent
from app.platform.devices import LONGEST_USER_AGENT
from app.store.codec import from_json, to_json
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from app.audit.model import Place, Search
    from app.store.sql.connection import Connection
    from app.store.sql.database import Database

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("id", exact(36), primary_key=True),
    # No foreign key: the events of a user stay when the user is gone.
    Column("user_id", exact(36), nullable=False),
    Column("action", exact(64), nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("ip", String(64)),
    Column("user_agent", String(LONGEST_USER_AGENT)),
    Column("expires_at", INSTANT, nullable=False),
    Column("details", LONG_TEXT),
    Column("actor_id", exact(36)),
    Column("outcome", exact(16)),
    Column("request_id", exact(64)),
    Column("salt", exact(22)),
    Column("digest", exact(43)),
    Column("signature", exact(64)),
    Column("seq", BigInteger),
    Index("events_by_user", "user_id", "id"),
    Index("events_by_user_and_time", "user_id", "at", "id"),
    Index("events_by_action_and_time", "action", "at", "id"),
    Index("events_by_time", "at", "id"),
    Index("events_by_seal", "seq", "id"),
    Index("events_by_expiry", "expires_at"),
    **ON_MYSQL,
)

_OWNERS: Final = table("users", column("id"), column("status"))
"""The table of users, by name only: all that matters here is whether the user exists."""
_COLUMNS: Final = EVENTS.c
_PLAIN: Final = (
    *("id", "user_id", "action", "at", "ip", "user_agent", "expires_at", "actor_id", "outcome", "request_id"),
    *("salt", "digest", "signature"),
)
SHOWN: Final = (*(_COLUMNS[name] for name in _PLAIN), _COLUMNS.details)
"""What `event_of` reads."""
_ERASED: Final = (_COLUMNS.ip, _COLUMNS.user_agent, _COLUMNS.details, _COLUMNS.request_id, _COLUMNS.salt)
"""What goes with the account."""
_OF_USER: Final = _COLUMNS.user_id == bindparam("owner")
_BEHIND_ALL: Final = "~"
"""Sorts after every identifier, since these are made of hexadecimal digits and hyphens."""

_ADD: Final = insert(EVENTS)
# The user's row is locked until the event is committed: a deletion of the user waits, and then finds the event.
_RECORD: Final = (
    insert(EVENTS)
    .from_select(
        [*_PLAIN, "details"],
        select(
            *(bindparam(f"new_{name}", type_=_COLUMNS[name].type) for name in _PLAIN),
            bindparam("new_details", type_=_COLUMNS.details.type),
        )
        .select_from(_OWNERS)
        .where(
            _OWNERS.c.id == bindparam("owner"),
            _OWNERS.c.status != "deleted",
            # Not left to the primary key: PostgreSQL logs each row it refuses.
            ~exists(select(_COLUMNS.id).where(_COLUMNS.id == bindparam("known"))),
        )
        .with_for_update(read=True, of=_OWNERS),
    )
    # SQLAlchemy counts the rows of an INSERT only when asked to.
    .execution_options(preserve_rowcount=True)
)
_PAGE: Final = (
    select(*SHOWN)
    .where(_OF_USER, _COLUMNS.id < bindparam("before"))
    .order_by(_COLUMNS.id.desc())
    .limit(bindparam("limit"))
)
_SOME_OF_USER: Final = (
    select(_COLUMNS.id)
    .where(_OF_USER, _COLUMNS.id > bindparam("after"))
    .order_by(_COLUMNS.id)
    .limit(bindparam("limit"))
)
_ANONYMISE: Final = (
    update(EVENTS)
    .where(
        _COLUMNS.id.in_(bindparam("ids", expanding=True)),
        or_(*(each.is_not(null()) for each in _ERASED)),
    )
    .values({each: null() for each in _ERASED})
)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlEvents:
    """`app.audit.model.Events` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, event: AuditEvent) -> None:
        self._database.change(_ADD, _row_of(event))

    def record(self, event: AuditEvent) -> bool:
        row = {f"new_{name}": value for name, value in _row_of(event).items()}
        try:
            return self._database.change(_RECORD, row | {"owner": event.user_id, "known": event.id}) == 1
        except IntegrityError:
            return False  # a concurrent insert had the same identifier

    def page_of(self, user_id: str, *, before: str | None, limit: int) -> list[AuditEvent]:
        rows = self._database.rows(_PAGE, {"owner": user_id, "before": before or _BEHIND_ALL, "limit": limit})
        return [event_of(row) for row in rows]

    def search(self, wanted: Search, *, before: Place | None, limit: int) -> list[AuditEvent]:
        statement = select(*SHOWN).order_by(_COLUMNS.at.desc(), _COLUMNS.id.desc()).limit(limit)
        if wanted.user_id is not None:
            statement = statement.where(_COLUMNS.user_id == wanted.user_id)
        if wanted.action is not None:
            # A user has few events. SQLite, without statistics, would look among all events of the action.
            action = _COLUMNS.action if wanted.user_id is None else _COLUMNS.action.concat("")
            statement = statement.where(action == wanted.action)
        if wanted.since is not None:
            statement = statement.where(_COLUMNS.at >= wanted.since)
        if before is not None:
            # The first condition follows from the second, but only it tells every planner where to start in the index.
            at, event_id = before
            statement = statement.where(
                _COLUMNS.at <= at, or_(_COLUMNS.at < at, and_(_COLUMNS.at == at, _COLUMNS.id < event_id))
            )
        return [event_of(row) for row in self._database.rows(statement)]

    def anonymise_some(self, user_id: str, *, after: str | None, limit: int) -> str | None:
        some = {"owner": user_id, "after": after or "", "limit": limit}
        ids = [row[0] for row in self._database.rows(_SOME_OF_USER, some)]
        if ids:
            self._database.change(_ANONYMISE, {"ids": ids})
        return ids[-1] if len(ids) == limit else None

    def gather(self, now: datetime, limit: int) -> int:
        del now, limit  # they were stored among the others, in the transaction of their change
        return 0

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)


def add_events(connection: Connection, events: Sequence[AuditEvent]) -> None:
    """Store the events of a change in its transaction, which has to make sure that their user is not deleted."""
    if events:
        connection.execute(_ADD, [_row_of(event) for event in events])


def _row_of(event: AuditEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _PLAIN} | {
        "details": to_json(event.details) if event.details else None
    }


def event_of(row: Iterable[Any]) -> AuditEvent:
    """The event in a row with the columns SHOWN."""
    event_id, user_id, action, at, ip, user_agent, expires_at, actor_id, outcome, *proof, details = row
    happened = (event_id, user_id, action, at, ip, user_agent, expires_at, from_json(details))
    return AuditEvent(*happened, actor_id, outcome or SUCCESS, *proof)
