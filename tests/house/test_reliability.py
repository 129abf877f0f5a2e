"""docs/reliability.md and the tests of faults agree."""

import json

from tests.faults import table

CHANGED = "run `python -m tests.faults.table`, or `make faults`"


def test_each_fault_is_shown_by_a_test_and_each_test_of_a_fault_stands_in_the_table() -> None:
    assert table.tests_of().keys() == table.ROWS.keys()


def test_the_table_is_the_one_that_the_tests_make() -> None:
    text = table.DOCUMENT.read_text(encoding="utf-8")
    assert text.split(table.BEGIN)[1].partition(table.END)[0].strip() == table.rendered().strip(), CHANGED


def test_what_was_seen_is_of_faults_that_are_still_tried() -> None:
    assert json.loads(table.SEEN.read_text(encoding="utf-8")).keys() <= table.ROWS.keys()
