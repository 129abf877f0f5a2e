"""An export is one document of the lists of several features, and is read while it is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.web.export import Exporter, document_of, exporter, parts_of
from app.web.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.web.call import Call


class Head(View):
    """The beginning."""

    name: str


class Thing(View):
    """A thing."""

    number: int


HEAD = Head(name="Ann")


def pages(*numbers: list[int]) -> Iterator[list[Thing]]:
    for page in numbers:
        yield [Thing(number=number) for number in page]


def test_the_lists_stand_behind_the_head_in_their_order() -> None:
    parts = parts_of(HEAD, {"one": pages([1, 2], [3]), "two": pages([4])})

    assert b"".join(parts) == b'{"name":"Ann","one":[{"number":1},{"number":2},{"number":3}],"two":[{"number":4}]}'


@pytest.mark.parametrize("lists", [{}, {"one": []}, {"one": [[]]}, {"one": [[], []], "two": []}])
def test_without_things_the_lists_are_empty(lists: dict[str, list[list[int]]]) -> None:
    told = json.loads(b"".join(parts_of(HEAD, {name: pages(*numbers) for name, numbers in lists.items()})))

    assert told == {"name": "Ann"} | {name: [] for name in lists}


def test_an_empty_page_leaves_no_trace() -> None:
    assert (
        b"".join(parts_of(HEAD, {"one": pages([], [1], [], [2])}))
        == b'{"name":"Ann","one":[{"number":1},{"number":2}]}'
    )


def test_a_part_is_made_of_one_page_and_the_first_has_one_already() -> None:
    read: list[int] = []

    def counted() -> Iterator[list[Thing]]:
        for number in range(3):
            read.append(number)
            yield [Thing(number=number)]

    assert [list(read) for _ in parts_of(HEAD, {"none": pages(), "some": counted()})] == [
        [0],
        [0, 1],
        [0, 1, 2],
        [0, 1, 2],
    ]


def test_no_part_but_the_last_closes_the_document() -> None:
    whole = b""
    *parts, last = parts_of(HEAD, {"one": pages([1], [2]), "two": pages([3])})
    for part in parts:
        whole += part
        with pytest.raises(json.JSONDecodeError):
            json.loads(whole)
    assert json.loads(whole + last)


def test_what_it_looks_like_is_declared_with_the_lists() -> None:
    @exporter("things", Thing)
    def things(call: Call) -> Iterator[list[Thing]]:
        del call
        yield [Thing(number=1)]

    document = document_of(Head, [things, Exporter("more", Head, things.pages)])

    schema = document.model_json_schema()
    assert (schema["title"], schema["description"]) == ("Head", "The beginning.")
    assert list(schema["properties"]) == schema["required"] == ["name", "things", "more"]
    assert schema["properties"]["things"]["items"] == {"$ref": "#/$defs/Thing"}


@pytest.mark.parametrize("names", [["things", "things"], ["name"]])
def test_two_of_one_name_stop_the_start(names: list[str]) -> None:
    with pytest.raises(ValueError, match=names[0]):
        document_of(Head, [Exporter(name, Thing, lambda _call: pages([1])) for name in names])
