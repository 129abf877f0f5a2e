"""docs/security.md has every line of the checklist once; each is shown by tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from app import config
from app.operations import asvs, nist
from app.operations.standards import Facts
from tests.api.service import SETTINGS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NUMBERS = set(range(1, 100)) - {6, 8}


class Line(NamedTuple):
    """A line of the checklist, as the document has it."""

    number: int
    tests: list[str]


def lines() -> list[Line]:
    found = []
    for block in re.split(r"^(?=\*\*\d)", TEXT, flags=re.MULTILINE)[1:]:
        own = block.partition("\n## ")[0]
        number = re.match(r"\*\*(\d+)★?\*\* \S", own)
        assert number, own[:80]
        found.append(Line(int(number[1]), re.findall(r"^- `(.+)`$", own, re.MULTILINE)))
    return found


@cache
def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


LINES = lines()


def test_every_number_occurs_once_and_in_order() -> None:
    assert [line.number for line in LINES] == sorted(NUMBERS)


def test_every_line_names_tests_each_once() -> None:
    assert [line.number for line in LINES if not line.tests or len(set(line.tests)) != len(line.tests)] == []


def test_every_test_that_is_named_exists() -> None:
    assert [named for line in LINES for named in line.tests if not exists(named)] == []


def exists(named: str) -> bool:
    """Whether there is such a test; `named` is its path and function, as pytest has them."""
    path, _, function = named.partition("::")
    is_test = path.startswith("tests/") and function.startswith("test_")
    return is_test and (ROOT / path).exists() and function in functions(path)


def test_what_the_doctor_calls_met_on_every_instance_is_shown_by_tests() -> None:
    facts = Facts(config.load(SETTINGS, dotenv=None), None)
    shown = {line.number for line in LINES}
    for requirement in (*asvs.REQUIREMENTS, *nist.REQUIREMENTS):
        judged = requirement.judge(facts)
        for numbers in re.findall(r"\(docs/security\.md, ([\d, ]+)\)", judged.evidence):
            assert {int(number) for number in numbers.split(", ")} <= shown, requirement
