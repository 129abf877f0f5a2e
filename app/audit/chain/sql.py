"""The chain in SQL: a row for each link and each checkpoint. Links and what their events say are one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    Table,
    bindparam,
    column,
    delete,
    false,
    func,
    insert,
    null,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.exc import IntegrityError

from app.audit.chain.model import Checkpoint, Link, Sealed
from app.audit.model import DELETIONS
from app.audit.sql import EVENTS, SHOWN, event_of
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import BindParameter

    from app.audit.model import AuditEvent
    from app.store.sql.connection import Connection
    from app.store.sql.database import Database

LINKS: Final = Table(
    "event_links",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("event_id", exact(36), nullable=False),
    Column("sealed_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("verdict", exact(16), nullable=False),
    Column("content", exact(43), nullable=False),
    Column("hash", exact(43), nullable=False),
    Column("secret", exact(16), nullable=False),
    Column("mac", exact(43), nullable=False),
    Index("event_links_by_event", "event_id", unique=True),
    Index("event_links_by_time", "sealed_at"),
    **ON_MYSQL,
)
CHECKPOINTS: Final = Table(
    "event_checkpoints",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("kept_until", INSTANT, nullable=False),
    Column("token", LONG_TEXT, nullable=False),
    Column("secret", exact(16), nullable=False),
    Column("mac", exact(43), nullable=False),
    **ON_MYSQL,
)

_OWNERS: Final = table("users", column("id"), column("status"))
_EVENT: Final = EVENTS.c
_LINK: Final = LINKS.c
_LATER: Final = LINKS.alias("later").c
_IN_LINK: Final = tuple(each.name for each in LINKS.columns)
_IN_CHECKPOINT: Final = tuple(each.name for each in CHECKPOINTS.columns)
_IDS: Final[BindParameter[Any]] = bindparam("ids", expanding=True)

_LAST: Final = select(LINKS).order_by(_LINK.seq.desc()).limit(1)
_APPEND: Final = insert(LINKS)
_SAY: Final = update(EVENTS).where(_EVENT.id == bindparam("this")).values(seq=bindparam("by"))
_UNSEALED: Final = (
    select(*SHOWN)
    .where(_EVENT.seq.is_(null()), _EVENT.id > bindparam("after"))
    .order_by(_EVENT.id)
    .limit(bindparam("limit"))
)
_LINKED: Final = select(_LINK.event_id, _LINK.seq).where(_LINK.event_id.in_(_IDS))
_COMPLETE: Final = (
    update(EVENTS)
    .where(
        _EVENT.id == bindparam("this"),
        _EVENT.digest.is_(null()),
        # An event that is erased meanwhile keeps no salt.
        or_(
            bindparam("bare", type_=false().type),
            _EVENT.ip.is_not(null()),
            _EVENT.user_agent.is_not(null()),
            _EVENT.details.is_not(null()),
        ),
    )
    .values(salt=bindparam("new_salt"), digest=bindparam("new_digest"))
)
_PAGE: Final = select(LINKS).where(_LINK.seq > bindparam("after")).order_by(_LINK.seq).limit(bindparam("limit"))
_SEALED_FROM: Final = (
    select(_EVENT.seq, *SHOWN)
    .where(_EVENT.seq >= bindparam("first"))
    .order_by(_EVENT.seq, _EVENT.id)
    .limit(bindparam("limit"))
)
_SEALED: Final = _SEALED_FROM.where(_EVENT.seq <= bindparam("last"))
_EVENTS: Final = select(_EVENT.seq, *SHOWN).where(_EVENT.id.in_(_IDS))
_FIRST_SINCE: Final = (
    select(_LINK.seq).where(_LINK.sealed_at >= bindparam("at")).order_by(_LINK.sealed_at, _LINK.seq).limit(1)
)
_THERE: Final = select(_OWNERS.c.id).where(_OWNERS.c.id.in_(_IDS), _OWNERS.c.status != "deleted")
_WERE_DELETED: Final = select(_EVENT.user_id).where(_EVENT.user_id.in_(_IDS), _EVENT.action.in_(DELETIONS)).distinct()
_EXPIRED: Final = (
    select(_LINK.seq)
    .where(
        _LINK.seq
        <= select(func.max(CHECKPOINTS.c.seq)).where(CHECKPOINTS.c.kept_until <= bindparam("now")).scalar_subquery(),
        _LINK.seq < select(func.max(_LATER.seq)).scalar_subquery(),
    )
    .order_by(_LINK.seq)
    .limit(bindparam("limit"))
)
_DELETE: Final = delete(LINKS).where(_LINK.seq.in_(_IDS))
_LAST_CHECKPOINT: Final = select(CHECKPOINTS).order_by(CHECKPOINTS.c.number.desc()).limit(1)
_CHECKPOINTS: Final = (
    select(CHECKPOINTS)
    .where(CHECKPOINTS.c.number > bindparam("after"))
    .order_by(CHECKPOINTS.c.number)
    .limit(bindparam("limit"))
)


class SqlLinks:
    """`app.audit.chain.model.Links` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self) -> Link | None:
        rows = self._database.rows(_LAST)
        return Link(*rows[0]) if rows else None

    def append(self, links: Sequence[Link]) -> bool:
        def write(connection: Connection) -> None:
            connection.execute(_APPEND, [{name: getattr(link, name) for name in _IN_LINK} for link in links])
            connection.execute(_SAY, [{"this": link.event_id, "by": link.seq} for link in links])

        try:
            self._database.write(write)
        except IntegrityError:
            return False
        return True

    def unsealed(self, now: datetime, *, after: str | None, limit: int) -> list[AuditEvent]:
        del now  # an event is there once its transaction is done
        found = [event_of(row) for row in self._database.rows(_UNSEALED, {"after": after or "", "limit": limit})]
        rows = self._database.rows(_LINKED, {"ids": [event.id for event in found]}) if found else ()
        # Only who changes the table by hand can make this happen; the link decides.
        known = {row[0]: row[1] for row in rows}
        if known:
            seals: list[Mapping[str, Any]] = [{"this": event_id, "by": seq} for event_id, seq in known.items()]
            self._database.write(lambda connection: connection.execute(_SAY, seals))
        return [event for event in found if event.id not in known]

    def complete(self, events: Sequence[AuditEvent]) -> None:
        rows: list[Mapping[str, Any]] = [
            {"this": event.id, "bare": event.is_bare, "new_salt": event.salt, "new_digest": event.digest}
            for event in events
        ]
        self._database.write(lambda connection: connection.execute(_COMPLETE, rows))

    def page(self, *, after: int, limit: int) -> list[Link]:
        return [Link(*row) for row in self._database.rows(_PAGE, {"after": after, "limit": limit})]

    def sealed(self, first: int, last: int | None, limit: int) -> list[Sealed]:
        statement, found = (_SEALED_FROM, {}) if last is None else (_SEALED, {"last": last})
        rows = self._database.rows(statement, {"first": first, "limit": limit, **found})
        return [_sealed_of(row) for row in rows]

    def events(self, ids: Collection[str]) -> list[Sealed]:
        return [_sealed_of(row) for row in self._database.rows(_EVENTS, {"ids": list(ids)})] if ids else []

    def first_since(self, at: datetime) -> int | None:
        rows = self._database.rows(_FIRST_SINCE, {"at": at})
        return int(rows[0][0]) if rows else None

    def deleted(self, user_ids: Collection[str]) -> frozenset[str]:
        if not user_ids:
            return frozenset()
        there = {row[0] for row in self._database.rows(_THERE, {"ids": list(user_ids)})}
        once = {row[0] for row in self._database.rows(_WERE_DELETED, {"ids": list(there)})} if there else set()
        return frozenset(user_ids) - there | once

    def delete_expired(self, now: datetime, limit: int) -> int:
        found = [row[0] for row in self._database.rows(_EXPIRED, {"now": now, "limit": limit})]
        return self._database.change(_DELETE, {"ids": found}) if found else 0


class SqlCheckpoints:
    """`app.audit.chain.model.Checkpoints` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self) -> Checkpoint | None:
        rows = self._database.rows(_LAST_CHECKPOINT)
        return Checkpoint(*rows[0]) if rows else None

    def add(self, checkpoint: Checkpoint) -> bool:
        try:
            self._database.change(insert(CHECKPOINTS), {name: getattr(checkpoint, name) for name in _IN_CHECKPOINT})
        except IntegrityError:
            return False
        return True

    def page(self, *, after: int, limit: int) -> list[Checkpoint]:
        return [Checkpoint(*row) for row in self._database.rows(_CHECKPOINTS, {"after": after, "limit": limit})]


def _sealed_of(row: Sequence[Any]) -> Sealed:
    seq, *fields = row
    return Sealed(seq, event_of(fields))
