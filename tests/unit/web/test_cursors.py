"""A cursor is opaque, and has one form only."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.cursors import cursor_at, cursor_behind, identifier_of, place_at

if TYPE_CHECKING:
    from uuid import UUID

CURSOR = cursor_behind("019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a") or ""


@given(st.uuids())
def test_a_cursor_leads_back_to_its_identifier(identifier: UUID) -> None:
    cursor = cursor_behind(str(identifier))

    assert cursor is not None
    assert identifier_of(cursor) == str(identifier)
    assert len(cursor) == 22


def test_after_the_last_page_there_is_no_cursor() -> None:
    assert cursor_behind(None) is None


@given(
    st.text()
    | st.from_regex(r"[A-Za-z0-9_-]{21,23}={0,3}", fullmatch=True)
    | st.binary(max_size=20).map(lambda content: urlsafe_b64encode(content).decode())
)
def test_any_other_text_is_refused_or_the_form_of_a_cursor(text: str) -> None:
    assert not is_cursor(text) or cursor_behind(identifier_of(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        CURSOR + "=",
        CURSOR + "==",
        CURSOR + " ",
        " " + CURSOR,
        CURSOR[:-1],
        CURSOR + "A",
        CURSOR[:-1] + "h",  # the same bytes: of the last character four bits are unused
        CURSOR.replace("-", "+"),
        "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a",
        "é" * 22,
        "\0" * 22,
        "\ud800" * 22,
    ],
)
def test_another_text_for_the_same_place_is_not_a_cursor(text: str) -> None:
    assert not is_cursor(text)
    assert is_cursor(CURSOR)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))), st.lists(st.text()))
def test_a_cursor_leads_back_to_its_place_in_the_same_query_alone(place: list[str], query: list[str]) -> None:
    cursor = cursor_at(place, query)

    assert place_at(cursor, query) == place
    with pytest.raises(ValueError, match="query"):
        place_at(cursor, [*query, None])


@pytest.mark.parametrize("place", [[1], [None], [["a"]], [{}], ["a\0"], ["\ud800"], ["a", 1.5], [True]], ids=ascii)
def test_a_place_that_is_no_list_of_plain_texts_is_none_though_the_digest_is_right(place: list[Any]) -> None:
    with pytest.raises(ValueError, match="not a place"):
        place_at(cursor_at(place, ["roles"]), ["roles"])


@pytest.mark.parametrize("content", ["[" * 3000, '{"a":' * 3000, "{}", '"a"', "null", "1e999", "[" + "1" * 5000 + "]"])
def test_a_cursor_of_other_json_is_refused_however_deep_it_is(content: str) -> None:
    cursor = urlsafe_b64encode(b"123456789" + content.encode()).decode().rstrip("=")

    with pytest.raises(ValueError, match=r"not a place|digits"):
        place_at(cursor, [])


def is_cursor(text: str) -> bool:
    try:
        identifier_of(text)
    except ValueError:
        return False
    return True
