"""JSON in columns: what is written can be read back, by people, too."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.accounts.model import LiveCode, Notice
from app.outbox.model import PendingRegistration
from app.store.sql.documents import all_of, mapping_of, one_of, written
from tests.contract.entities import NOW

NOTICE = Notice("n", "email_changed", "ada@example.org", NOW, {"sent_at": "noon", "name": "Gräfin 🧮\x00"}, "c", 2)


def test_what_is_empty_is_not_written() -> None:
    assert [written(None), written(()), written({})] == [None] * 3


def test_what_was_not_written_is_empty() -> None:
    assert one_of(LiveCode, None) is None
    assert all_of(LiveCode, None) == ()
    assert mapping_of(None) == {}


def test_one_object_comes_back_as_it_was_written() -> None:
    registration = PendingRegistration(None, "Ada", "hash")
    assert one_of(PendingRegistration, written(registration)) == registration


def test_several_objects_come_back_in_their_order() -> None:
    notices = (NOTICE, Notice("m", "login", "eve@example.org", NOW))
    assert all_of(Notice, written(notices)) == notices


def test_a_mapping_comes_back_whatever_its_keys_are_called() -> None:
    assert mapping_of(written({"sent_at": "noon", "": ""})) == {"sent_at": "noon", "": ""}


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 3, 29, 1, 59, 59, 999000, tzinfo=UTC), "2026-03-29T01:59:59.999+00:00"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000+00:00"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T22:00:00.000+00:00"),
    ],
)
def test_a_point_in_time_is_written_in_utc_to_the_millisecond(at: datetime, text: str) -> None:
    document = written((LiveCode("c", "reset", at),))
    assert document == f'[{{"id": "c", "purpose": "reset", "expires_at": "{text}"}}]'
    [code] = all_of(LiveCode, document)
    assert code.expires_at == at
    assert code.expires_at.utcoffset() == timedelta(0)


def test_what_has_no_form_in_json_is_refused() -> None:
    with pytest.raises(TypeError, match="no JSON for bytes"):
        written({"seed": b"secret"})
