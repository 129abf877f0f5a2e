"""docs/security.md has every line of the checklist once; each is shown by tests that exist, or waits for a feature."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from app import config
from app.config.settings import definitions
from app.features import ENDPOINTS, PAGES
from app.operations import asvs, nist
from app.operations.standards import Facts
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NUMBERS = set(range(1, 100)) - {6, 8}
PATHS = {declared.path for declared in (*ENDPOINTS, *PAGES)}
NAMES = {name for fields in definitions().values() for name in fields}
COMES: dict[str, Callable[[], bool]] = {
    "OAuth": lambda: any("/oauth" in path or "openid" in path for path in PATHS),
}
"""Features that are not there yet, and how it is seen that one has come: then its lines need tests."""


class Line(NamedTuple):
    """A line of the checklist, as the document has it."""

    number: int
    tests: list[str]
    waits_for: str | None


def lines() -> list[Line]:
    found = []
    for block in re.split(r"^(?=\*\*\d)", TEXT, flags=re.MULTILINE)[1:]:
        own = block.partition("\n## ")[0]
        number = re.match(r"\*\*(\d+)★?\*\* \S", own)
        assert number, own[:80]
        waits = re.search(r"With ([\w\s]+),\s+not\s+there\s+yet\.", own)
        waits_for = " ".join(waits[1].split()) if waits else None
        found.append(Line(int(number[1]), re.findall(r"^- `(.+)`$", own, re.MULTILINE), waits_for))
    return found


@cache
def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


LINES = lines()
each_line = pytest.mark.parametrize("line", LINES, ids=lambda line: str(line.number))


def test_every_number_occurs_once_and_in_order() -> None:
    assert [line.number for line in LINES] == sorted(NUMBERS)


@each_line
def test_every_line_names_tests_or_the_feature_that_it_waits_for(line: Line) -> None:
    assert line.tests or line.waits_for
    assert line.waits_for is None or line.waits_for in COMES


@each_line
def test_every_test_that_is_named_exists(line: Line) -> None:
    assert len(set(line.tests)) == len(line.tests)
    for named in line.tests:
        path, _, function = named.partition("::")
        assert path.startswith("tests/"), named
        assert function.startswith("test_"), named
        assert function in functions(path), named


def test_what_is_not_there_yet_is_said_in_one_form_only() -> None:
    assert len(re.findall(r"not\s+there\s+yet", TEXT)) - 1 == sum(line.waits_for is not None for line in LINES)


@pytest.mark.parametrize("feature", COMES)
def test_no_line_waits_for_a_feature_that_has_come(feature: str) -> None:
    waiting = [line.number for line in LINES if line.waits_for == feature]
    assert not (waiting and COMES[feature]()), f"{feature} has come: name the tests of {waiting} in docs/security.md"


def test_what_the_doctor_calls_met_on_every_instance_is_shown_by_tests() -> None:
    facts = Facts(config.load(SETTINGS, dotenv=None), None)
    shown = {line.number for line in LINES if line.tests}
    for requirement in (*asvs.REQUIREMENTS, *nist.REQUIREMENTS):
        judged = requirement.judge(facts)
        for numbers in re.findall(r"\(docs/security\.md, ([\d, ]+)\)", judged.evidence):
            assert {int(number) for number in numbers.split(", ")} <= shown, requirement
