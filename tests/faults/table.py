"""The table of docs/reliability.md: each fault, what is promised, what `make faults` saw, and the tests that show it.

`python -m tests.faults.table` writes it again from the marks of the tests and from seen.json.
"""

import ast
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reliability.md"
SEEN = Path(__file__).with_name("seen.json")
BEGIN, END = "<!-- faults: made by python -m tests.faults.table -->\n", "<!-- end -->"

ROWS = {
    "database killed": "503 until it is back; what was acknowledged is there",
    "database stopped": "503 until it is back",
    "database frozen": "503 within 3 s, also for logins; `/health/ready` says so within 2 s",
    "database slow": "served while a request stays within 10 s, else 503",
    "database torn": "503 where the answer to a commit was cut off: it may have happened, and may be repeated",
    "database locked": "readers are served, writers get 503 within 3 s (SQLite)",
    "database read only": "503, and not ready; connections are given up, since another server may have been promoted",
    "database pool full": "503 where no connection is to be had",
    "standby away": "writes get 503 within 3 s while their commits wait; none is lost or done twice",
    "failover": "503 until the standby is promoted; nothing is restarted",
    "disk full": "503 for writes; readers are served",
    "Redis away": "503 for the count of visits alone; rate limits are counted by each process",
    "mail server away": "no reply changes; mail is sent later, once",
    "log unwritable": "no reply changes",
    "worker killed": "its connections end; another takes its place",
    "service killed": "nothing that was acknowledged is lost, nor with SQLite the store",
    "SIGTERM": "what was sent is answered, then the service ends",
    "rolling restart": "nothing is lost behind nginx; 502 where an instance died with a request that is not repeated",
    "key rotation": "no valid token is refused",
    "clock jump": "access tokens of another time are refused and have to be refreshed; sessions stay",
    "descriptors exhausted": "new connections wait, old ones are served",
    "memory short": "503 for requests that there is no memory for; the worker lives, but for the cases below",
}
"""What a client sees in each kind of fault, by the name that the tests are marked with."""


def tests_of() -> dict[str, list[str]]:
    """The tests marked with each kind of fault, as `path:name`."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted((ROOT / "tests").glob("*/test_*.py")) + sorted((ROOT / "tests").glob("unit/**/test_*.py")):
        text = file.read_text(encoding="utf-8")
        if "mark.faults" not in text:
            continue
        for test in ast.parse(text).body:
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                for kind in sorted(set(_kinds(test))):
                    found[kind].append(f"{file.relative_to(ROOT)}:{test.name}")
    return dict(found)


def _kinds(test: ast.FunctionDef) -> Iterator[str]:
    """The kinds of fault in the decorators of a test, parameters included."""
    for node in (node for decorator in test.decorator_list for node in ast.walk(decorator)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "faults":
            yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


def summed(seen: list[dict[str, Any]]) -> dict[str, Any]:
    """What several tests of a kind saw together."""
    return {
        "runs": len(seen),
        **{name: sum(each[name] for each in seen) for name in ("answers", "refused", "registered")},
        **{name: max(each[name] for each in seen) for name in ("slowest", "back")},
    }


def rendered() -> str:
    """The table, in Markdown."""
    seen, tests = json.loads(SEEN.read_text(encoding="utf-8")), tests_of()
    lines = ["| fault | what clients see | seen under load | shown by |", "|---|---|---|---|"]
    for kind, promise in ROWS.items():
        shown = ", ".join(f"`{test}`" for test in tests.get(kind, []))
        lines.append(f"| {kind} | {promise} | {_told(seen.get(kind))} | {shown} |")
    return "\n".join(lines) + "\n"


def _told(seen: dict[str, Any] | None) -> str:
    if seen is None:
        return "not measured"
    return (
        f"{seen['runs']} runs, {seen['answers']:,} answers, {seen['refused']:,} refused, the slowest after"
        f" {seen['slowest']} s, all served again after {seen['back']} s"
    )


def write() -> None:
    """Put the table into the document."""
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{rendered()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    write()
