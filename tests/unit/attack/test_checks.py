"""The checks as they are declared, and as docs/attack.md lists them."""

import re
from pathlib import Path

import pytest

from attack.check import Check
from attack.checks import CHECKS

DOCUMENT = Path(__file__).parents[3] / "docs/attack.md"


def test_the_document_lists_every_check_with_its_severity_in_order() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z]+) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(check.name, check.severity.name.lower()) for check in CHECKS]


def test_no_two_checks_share_a_name() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_says_what_has_to_hold_how_to_mend_it_and_why(check: Check) -> None:
    assert re.fullmatch(r"[A-Z`].+\.", check.rule)
    assert re.fullmatch(r"[A-Z].+[.)]", check.mend)
    assert re.search(r"ASVS|RFC|API Security", check.source)
