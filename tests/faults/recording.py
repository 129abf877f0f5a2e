"""A plugin for `make faults`: keeps what the people saw in seen.json, and writes the table of the document."""

import json
from typing import Any

import pytest

from tests.faults import table

_seen: dict[str, list[dict[str, Any]]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what a test has recorded; with several workers, this process gets it from them."""
    if report.when != "call" or not report.passed:
        return
    for name, value in report.user_properties:
        if name == "seen" and isinstance(value, dict):
            numbers = {key: number for key, number in value.items() if key != "kinds"}
            for kind in value["kinds"]:
                _seen.setdefault(kind, []).append(numbers)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write both files, after a run in which nothing failed; kinds of fault that were not tried stay as they were."""
    if hasattr(session.config, "workerinput") or exitstatus != pytest.ExitCode.OK or not _seen:
        return
    before = json.loads(table.SEEN.read_text(encoding="utf-8"))
    summed = before | {kind: table.summed(seen) for kind, seen in _seen.items()}
    table.SEEN.write_text(json.dumps(summed, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    table.write()
