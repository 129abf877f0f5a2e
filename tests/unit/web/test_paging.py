"""The query of a list is read strictly: a limit is digits only, and a cursor is one that was issued."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.web.cursors import cursor_behind
from app.web.paging import Page

CURSOR = cursor_behind("019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a")


def wrong(query: dict[str, str]) -> set[tuple[str, str]]:
    """The wrong fields, and the error of each."""
    with pytest.raises(ValidationError) as refused:
        Page.model_validate(query)
    return {(str(detail["loc"][0]), detail["type"]) for detail in refused.value.errors(include_url=False)}


def test_a_page_has_fifty_entries_by_default() -> None:
    assert Page.model_validate({}) == Page(limit=50, cursor=None)


@given(st.integers(1, 200))
def test_a_limit_of_up_to_two_hundred_is_allowed(limit: int) -> None:
    assert Page.model_validate({"limit": str(limit), "cursor": CURSOR}).limit == limit


@pytest.mark.parametrize(
    "limit",
    [
        "0",
        "-1",
        "201",
        "",
        " ",
        "5.0",
        "1_0",
        "+5",
        " 5",
        "5 ",
        "1e1",
        "0x10",
        "ten",
        "\u0665",
        "5\n",
        "9" * 5000,
        "true",
        "null",
        "NaN",
    ],
)
def test_any_other_limit_is_refused(limit: str) -> None:
    ((field, code),) = wrong({"limit": limit})

    assert field == "limit"
    assert code in {"invalid_type", "greater_than_equal", "less_than_equal"}


@pytest.mark.parametrize("cursor", ["", "x", f"{CURSOR}=", "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a", "' OR 1=1", "\0"])
def test_a_cursor_that_was_never_issued_is_refused(cursor: str) -> None:
    assert wrong({"limit": "0", "cursor": cursor}) == {("limit", "greater_than_equal"), ("cursor", "invalid_cursor")}


def test_a_cursor_is_read_as_the_identifier_it_stands_for() -> None:
    assert Page.model_validate({"cursor": CURSOR}).cursor == "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"


def test_an_unknown_parameter_is_refused() -> None:
    assert wrong({"limit": "7", "page": "2"}) == {("page", "extra_forbidden")}
