"""Failed logins are stored after their reply, once, whatever happens to others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.audit import late_events
from app.audit.late_events import LateEvents
from app.audit.service import Audit
from app.platform.identifiers import new_id
from tests.unit.instance import DEVICE

if TYPE_CHECKING:
    import pytest

    from app.audit.model import AuditEvent
    from tests.unit.instance import Instance

SINCE = datetime(2026, 1, 31, tzinfo=UTC)


def failed(instance: Instance, user_id: str) -> AuditEvent:
    return instance.get(Audit).event_once(user_id, "login.failed", DEVICE, since=SINCE, subject=user_id)


def actions(instance: Instance, user_id: str) -> list[str]:
    return [event.action for event in instance.store.events.page_of(user_id, before=None, limit=10)]


def test_what_waits_is_stored_once(instance: Instance) -> None:
    ann, late = instance.register("ann"), instance.get(LateEvents)
    for _ in range(3):
        late.add(failed(instance, ann))
    assert "login.failed" not in actions(instance, ann)
    assert [late.store(), late.store()] == [1, 0]
    late.add(failed(instance, ann))
    late.store()
    assert actions(instance, ann).count("login.failed") == 1


def test_no_more_waits_than_there_is_room_for(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_events, "MOST", 2)
    late = instance.get(LateEvents)
    for _ in range(5):
        late.add(failed(instance, new_id()))
    assert late.store() == 2


def test_an_event_that_cannot_be_stored_leaves_the_others(instance: Instance) -> None:
    ann, late = instance.register("ann"), instance.get(LateEvents)
    late.add(replace(failed(instance, ann), id=new_id(), at="no time"))  # type: ignore[arg-type]
    late.add(failed(instance, ann))
    assert late.store() == 2
    assert "login.failed" in actions(instance, ann)


def test_the_end_of_a_worker_stores_what_waits(instance: Instance) -> None:
    ann, late = instance.register("ann"), instance.get(LateEvents)
    late.start()
    late.add(failed(instance, ann))
    late.stop()
    assert "login.failed" in actions(instance, ann)
