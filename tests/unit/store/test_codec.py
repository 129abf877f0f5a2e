"""Entities as documents: what is written can be read back, by people too, and by the versions before and after."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from traceback import format_exception
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.mail_requests.model import PendingRegistration
from app.accounts.under_way import LiveCode, PendingEmail, UnderWay, UndoOffer
from app.outbox.model import Entry
from app.store.codec import Codec, from_json, to_json
from tests.contract.entities import NOW

UNDER_WAY = Codec(UnderWay)
ENTRY = Entry("n", "mail", {"facts": {"sent_at": "noon", "name": "Gräfin 🧮\x00"}, "seen": [1, {"a": True}]}, NOW, 2)
WHOLE = UnderWay(
    codes=(LiveCode("c", "reset", NOW), LiveCode("d", "verify", NOW)),
    pending_email=PendingEmail("p", "ada@example.org", NOW),
    undo_offers=(UndoOffer("o", "ada@example.net", NOW, proven=False),),
    outbox=(ENTRY, Entry("m", "login", {}, NOW)),
)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - hypothesis adds it
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
JSON = st.recursive(TEXTS | st.booleans() | st.integers(-9, 9), lambda inner: st.lists(inner, max_size=2), max_leaves=4)
ANY = st.builds(
    UnderWay,
    codes=st.lists(st.builds(LiveCode, TEXTS, TEXTS, MOMENTS), max_size=3).map(tuple),
    pending_email=st.none() | st.builds(PendingEmail, TEXTS, TEXTS, MOMENTS),
    undo_offers=st.lists(st.builds(UndoOffer, TEXTS, TEXTS, MOMENTS, st.booleans()), max_size=3).map(tuple),
    outbox=st.lists(
        st.builds(Entry, TEXTS, TEXTS, st.dictionaries(TEXTS, JSON), MOMENTS, st.integers(0, 9)), max_size=3
    ).map(tuple),
)


@pytest.mark.parametrize("entity", [WHOLE, UnderWay(outbox=(ENTRY,))], ids=["whole", "outbox"])
def test_a_whole_entity_comes_back(entity: UnderWay) -> None:
    assert UNDER_WAY.entity(from_json(UNDER_WAY.text(entity))) == entity


@given(ANY)
def test_what_is_written_comes_back_from_a_document_and_from_a_text(entity: UnderWay) -> None:
    assert UNDER_WAY.entity(UNDER_WAY.document(entity)) == entity
    assert UNDER_WAY.entity(from_json(UNDER_WAY.text(entity))) == entity
    assert UNDER_WAY.unknown(UNDER_WAY.document(entity)) == {}


def test_what_is_empty_is_not_written() -> None:
    assert (UNDER_WAY.document(UnderWay()), UNDER_WAY.text(UnderWay())) == ({}, None)
    assert from_json(None) == {}
    assert UNDER_WAY.entity({}) == UnderWay()


def test_what_an_entity_does_not_have_is_absent() -> None:
    codec = Codec(PendingRegistration)
    registration = PendingRegistration(name="Ada", password_hash="hash")
    assert codec.document(registration) == {"name": "Ada", "password_hash": "hash"}
    # So lies the registration of a version before this in SQL.
    assert codec.entity({"username": None, "name": "Ada", "password_hash": "hash"}) == registration


def test_a_document_holds_lists_and_dates() -> None:
    document = UNDER_WAY.document(UnderWay(codes=WHOLE.codes))
    assert document == {
        "codes": [
            {"id": "c", "purpose": "reset", "expires_at": NOW},
            {"id": "d", "purpose": "verify", "expires_at": NOW},
        ]
    }
    assert type(document["codes"]) is list


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 3, 29, 1, 59, 59, 999000, tzinfo=UTC), "2026-03-29T01:59:59.999+00:00"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000+00:00"),
        (datetime(2026, 1, 1, 1, 1, 1, 999999, tzinfo=UTC), "2026-01-01T01:01:01.999+00:00"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T22:00:00.000+00:00"),
    ],
)
def test_a_point_in_time_is_written_in_utc_to_the_millisecond(at: datetime, text: str) -> None:
    document = UNDER_WAY.text(UnderWay(codes=(LiveCode("c", "reset", at),)))
    assert document == f'{{"codes": [{{"id": "c", "purpose": "reset", "expires_at": "{text}"}}]}}'
    [code] = UNDER_WAY.entity(from_json(document)).codes
    assert code.expires_at == at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert code.expires_at.utcoffset() == timedelta(0)


def test_a_mapping_comes_back_whatever_its_keys_are_called() -> None:
    assert from_json(to_json({"sent_at": "noon", "": ""})) == {"sent_at": "noon", "": ""}


def test_what_has_no_form_in_json_is_refused() -> None:
    with pytest.raises(TypeError, match="no JSON for bytes"):
        to_json({"seed": b"secret"})


# Versions side by side


@dataclass(frozen=True, slots=True)
class NewCode:
    """A code of a later version, with one more field."""

    id: str
    purpose: str
    expires_at: datetime
    sent_to: str | None = None


@dataclass(frozen=True, slots=True)
class NewUnderWay:
    """What is under way in a later version: one more field, and one more in each code."""

    codes: tuple[NewCode, ...] = ()
    pending_email: PendingEmail | None = None
    factors: tuple[str, ...] = ()
    prompts: dict[str, Any] = field(default_factory=dict)


NEW = Codec(NewUnderWay)
NEWER = NewUnderWay(
    codes=(NewCode("c", "reset", NOW, "ada@example.org"), NewCode("d", "invite", NOW, "eve@example.org")),
    pending_email=PendingEmail("p", "ada@example.org", NOW),
    factors=("totp",),
    prompts={"seen": {"codes": 1}},
)


def rewritten(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What is left of a document of a newer version when this one reads it, changes it and writes it."""
    entity = replace(UNDER_WAY.entity(document), **changes)
    return from_json(UNDER_WAY.text(entity, UNDER_WAY.unknown(document)))


def test_a_version_reads_what_an_older_one_wrote() -> None:
    found = NEW.entity(from_json(UNDER_WAY.text(UnderWay(codes=WHOLE.codes))))
    assert found == NewUnderWay(codes=(NewCode("c", "reset", NOW), NewCode("d", "verify", NOW)))


def test_a_version_reads_what_a_newer_one_wrote_and_words_that_it_does_not_know() -> None:
    found = UNDER_WAY.entity(NEW.document(NEWER))
    assert found.codes == (LiveCode("c", "reset", NOW), LiveCode("d", "invite", NOW))
    assert found.pending_email == NEWER.pending_email


@pytest.mark.parametrize("through_json", [False, True])
def test_a_version_keeps_what_a_newer_one_wrote(*, through_json: bool) -> None:
    document = NEW.document(NEWER)
    if through_json:
        document = from_json(to_json(document))
    assert NEW.entity(rewritten(document)) == NEWER
    assert NEW.entity(rewritten(document, pending_email=None)) == replace(NEWER, pending_email=None)


def test_what_a_newer_version_wrote_of_a_code_goes_with_the_code() -> None:
    left = rewritten(NEW.document(NEWER), codes=(LiveCode("d", "invite", NOW), LiveCode("e", "reset", NOW)))
    assert NEW.entity(left) == replace(NEWER, codes=(NEWER.codes[1], NewCode("e", "reset", NOW)))
    assert NEW.entity(rewritten(NEW.document(NEWER), codes=())) == replace(NEWER, codes=())


def test_a_null_is_read_like_nothing_and_stays_where_it_is_in_a_payload() -> None:
    document = {"pending_email": None, "outbox": [{"id": "n", "kind": "k", "payload": {"a": None}, "due_at": NOW}]}
    assert rewritten(document)["outbox"][0]["payload"] == {"a": None}
    assert UNDER_WAY.unknown(document) == {}


def test_what_is_wrong_in_a_document_is_named_without_what_is_in_it() -> None:
    document = {"username": "ada", "password_hash": ["hash"]}
    with pytest.raises(ValueError, match=r"^no PendingRegistration: password_hash \(string_type\)$") as refused:
        Codec(PendingRegistration).entity(document)
    assert "ada" not in "".join(format_exception(refused.value))
    with pytest.raises(ValueError, match=r"^no UnderWay: codes\.1\.id \(missing\)$"):
        UNDER_WAY.entity(
            {"codes": [{"id": "c", "purpose": "reset", "expires_at": NOW}, {"purpose": "reset", "expires_at": NOW}]}
        )
