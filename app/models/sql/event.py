"""Audit events in SQL: a row each, the details as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, insert, null, select, update

from app.models.event import AuditEvent
from app.models.sql.documents import mapping_of, written
from app.models.sql.purge import Purge
from app.models.sql.schema import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from app.models.sql.database import Database

_COLUMNS: Final = EVENTS.c
_PLAIN: Final = ("id", "user_id", "action", "at", "ip", "user_agent", "expires_at")
_OF_USER: Final = _COLUMNS.user_id == bindparam("owner")
_BEHIND_ALL: Final = "~"
"""Sorts behind every identifier, which is made of hexadecimal digits and hyphens."""

_ADD: Final = insert(EVENTS)
_PAGE: Final = (
    select(*(_COLUMNS[name] for name in _PLAIN), _COLUMNS.details)
    .where(_OF_USER, _COLUMNS.id < bindparam("before"))
    .order_by(_COLUMNS.id.desc())
    .limit(bindparam("limit"))
)
_ANONYMISE: Final = update(EVENTS).where(_OF_USER).values(ip=null(), user_agent=null(), details=null())
_PURGE: Final = Purge(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlEvents:
    """`app.models.event.Events` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, event: AuditEvent) -> None:
        row: dict[str, Any] = {name: getattr(event, name) for name in _PLAIN}
        self._database.change(_ADD, row | {"details": written(event.details)})

    def page(self, user_id: str, *, before: str | None, limit: int) -> list[AuditEvent]:
        rows = self._database.rows(_PAGE, {"owner": user_id, "before": before or _BEHIND_ALL, "limit": limit})
        return [_event_of(row) for row in rows]

    def anonymise(self, user_id: str) -> int:
        return self._database.change(_ANONYMISE, {"owner": user_id})

    def purge(self, now: datetime, limit: int) -> int:
        return _PURGE.run(self._database, now, limit)


def _event_of(row: Iterable[Any]) -> AuditEvent:
    event_id, user_id, action, at, ip, user_agent, expires_at, details = row
    return AuditEvent(event_id, user_id, action, at, ip, user_agent, expires_at, mapping_of(details))
