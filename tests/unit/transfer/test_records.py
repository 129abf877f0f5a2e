"""Files are read user by user, and what cannot be read is refused by its number."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.transfer import records
from app.transfer.incoming import Record, RefusedError
from app.transfer.records import LONGEST, csv_rows, json_lines, json_list

if TYPE_CHECKING:
    from collections.abc import Iterable

LONG = "x" * (LONGEST + 1)


def told(found: Iterable[Record]) -> list[tuple[int, Any]]:
    return [
        (each.number, each.content.reason if isinstance(each.content, RefusedError) else each.content) for each in found
    ]


def of_lines(text: str) -> list[tuple[int, Any]]:
    return told(json_lines(io.BytesIO(text.encode())))


def of_list(text: str, key: str | None = None) -> list[tuple[int, Any]]:
    return told(json_list(io.BytesIO(text.encode()), key))


def of_rows(text: str) -> list[tuple[int, Any]]:
    return told(csv_rows(io.BytesIO(text.encode())))


def test_each_line_is_an_object_and_empty_lines_are_skipped() -> None:
    assert of_lines('\ufeff{"a":1}\n\r\n{"a":"\u00e9"}\r\n') == [(1, {"a": 1}), (3, {"a": "\u00e9"})]


@pytest.mark.parametrize(
    "line",
    ["{", "{}}", '{"a":NaN}', '{"a":1,"a":2}', '{"a":1e999}', '{"a":"\\ud800"}', "[" * 40 + "]" * 40, "{'a':1}"],
)
def test_a_line_that_is_not_strict_json_is_refused_and_the_next_ones_are_read(line: str) -> None:
    assert of_lines(f'{line}\n{{"a":1}}\n') == [(1, "malformed_json"), (2, {"a": 1})]


def test_a_line_that_is_no_object_or_too_long_is_refused_by_its_number() -> None:
    assert of_lines(f'[1]\n"{LONG}"\n{{"a":1}}\n') == [(1, "not_an_object"), (2, "too_long"), (3, {"a": 1})]


def test_a_file_of_lines_that_is_cut_in_a_line_names_it() -> None:
    assert of_lines('{"a":1}\n{"a":2,"b') == [(1, {"a": 1}), (2, "cut_off")]
    assert of_lines('{"a":1}\n{"a":2}') == [(1, {"a": 1}), (2, {"a": 2})]


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    users=st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), max_size=5),
    around=st.dictionaries(st.text(max_size=5), VALUES, max_size=4),
    chunk=st.integers(1, 9),
    indent=st.sampled_from([None, 2]),
    escaped=st.booleans(),
)
def test_a_list_is_found_in_any_document_however_it_is_cut_into_chunks(
    users: list[Any], around: dict[str, Any], chunk: int, indent: int | None, *, escaped: bool
) -> None:
    around.pop("users", None)
    text = json.dumps({**around, "users": users, "after": [1, {"users": [2]}]}, indent=indent, ensure_ascii=escaped)
    expected = [(number, user) for number, user in enumerate(users, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_CHUNK", chunk)
        assert of_list(text, "users") == expected
        assert of_list(json.dumps(users, indent=indent, ensure_ascii=escaped)) == expected


@given(cut=st.integers(0, 200))
def test_a_document_that_is_cut_anywhere_names_the_user_behind_the_last_whole_one(cut: int) -> None:
    users = [{"id": number, "name": 'a "b" \\', "roles": ["x", {"y": ["]"]}]} for number in range(3)]
    text = json.dumps({"realm": "r", "users": users, "x": 1})
    cut %= len(text)

    *whole, last = of_list(text[:cut], "users")

    if cut == 0:
        assert last == (0, "no_users")
    elif "users" in text[:cut].partition("[")[0] and "[" in text[:cut]:
        assert last == (len(whole) + 1, "cut_off")
        assert [content for _, content in whole] == users[: len(whole)]
    else:
        assert (whole, last) == ([(1, "cut_off")], (0, "no_users"))


def test_what_is_no_object_in_a_list_or_is_too_long_is_refused_by_its_place() -> None:
    assert of_list(f'[1, "a", {{"a": "{LONG}"}}, {{"a" 1}}, , {{"a": 1}}]') == [
        (1, "not_an_object"),
        (2, "not_an_object"),
        (3, "too_long"),
        (4, "malformed_json"),
        (5, "malformed_json"),
        (6, {"a": 1}),
    ]


def test_a_document_without_the_list_is_refused() -> None:
    assert of_list('{"people": []}', "users") == [(0, "no_users")]
    assert of_list("{}") == [(0, "no_users")]
    assert of_list('{"users": []}', "users") == []


def test_rows_have_the_names_of_the_header_and_may_have_several_lines() -> None:
    assert of_rows('\ufeffid, email ,name\n1,a@example.org,\n2,b@example.org,"B\n""C"""\n') == [
        (2, {"id": "1", "email": "a@example.org"}),
        (4, {"id": "2", "email": "b@example.org", "name": 'B\n"C"'}),
    ]


def test_a_row_with_other_columns_or_wrong_quotes_is_refused_and_the_next_ones_are_read() -> None:
    assert of_rows(f'id,email\n1\n2,b,c\n3,"c"d\n4,{LONG}\n5,e\n') == [
        (2, "malformed_csv"),
        (3, "malformed_csv"),
        (4, "malformed_csv"),
        (5, "too_long"),
        (6, {"id": "5", "email": "e"}),
    ]


def test_a_csv_file_that_is_cut_in_a_row_names_it() -> None:
    assert of_rows("id,email\n1,a\n2") == [(2, {"id": "1", "email": "a"}), (3, "cut_off")]
    assert of_rows('id,email\n1,a\n2,"b') == [(2, {"id": "1", "email": "a"}), (3, "cut_off")]


def test_a_header_with_one_name_twice_is_refused() -> None:
    assert of_rows("email,email\na,b\n") == [(1, "malformed_csv")]


def test_a_row_that_is_not_utf_8_is_refused() -> None:
    assert told(csv_rows(io.BytesIO(b"id,email\n1,\xff\n2,b\n"))) == [
        (2, "malformed_csv"),
        (3, {"id": "2", "email": "b"}),
    ]
