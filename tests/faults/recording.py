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
    """Write both files, after a whole run in which nothing failed."""
    if hasattr(session.config, "workerinput") or exitstatus != pytest.ExitCode.OK or not _seen:
        return
    summed = {kind: table.summed(_seen[kind]) for kind in sorted(_seen)}
    table.SEEN.write_text(json.dumps(summed, indent=2) + "\n", encoding="utf-8")
    table.write()
