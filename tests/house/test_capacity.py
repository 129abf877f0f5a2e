"""docs/capacity.md and docs/operations.md hold what the capacity model computes."""

from pathlib import Path

import pytest

from bench.tables import TABLES, summary

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "capacity.md").read_text(encoding="utf-8")
CHANGED = "the model has changed: run `python -m bench capacity`"


@pytest.mark.parametrize("heading", TABLES)
def test_every_table_of_the_model_stands_under_its_heading(heading: str) -> None:
    section = TEXT.split(f"\n## {heading}\n")[1].partition("\n## ")[0]
    assert f"\n{TABLES[heading]()}\n" in section, CHANGED


def test_its_summary_stands_in_the_operations() -> None:
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    section = text.split("<!-- capacity model: begin -->\n")[1].partition("<!-- capacity model: end -->")[0]
    assert f"\n{summary()}\n" in section, CHANGED
