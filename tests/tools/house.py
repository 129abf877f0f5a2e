"""Writes into docs/architecture.md what the code itself says: a table of the packages, and a picture of their imports.

    python -m tests.tools.house

A test compares the document with what this makes, so neither can be false.
"""

from __future__ import annotations

import ast
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/architecture.md"


def rewritten(text: str) -> str:
    """The document with its table and its picture as the code has them now."""
    for name, made in (("packages", packages()), ("imports", imports())):
        begin, end = f"<!-- {name}: made by tests/tools/house.py -->\n", "<!-- end -->"
        before, _, rest = text.partition(begin)
        _, _, behind = rest.partition(end)
        text = f"{before}{begin}\n{made}\n{end}{behind}"
    return text


def packages() -> str:
    """A row for each module and package of `app/`, with the first paragraph of its docstring."""
    rows = ["| part | what it is for |", "|---|---|"]
    for part in sorted((ROOT / "app").iterdir()):
        if (part / "__init__.py").exists():
            rows.append(f"| `app/{part.name}/` | {_purpose(part / '__init__.py')} |")
        elif part.suffix == ".py":
            rows.append(f"| `app/{part.name}` | {_purpose(part)} |")
    return "\n".join(rows) + "\n"


def _purpose(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


def imports() -> str:
    """Which package imports which, without the arrows that follow from others."""
    below = _imported()
    arrows = [
        f"    {package} --> {' & '.join(shown)}"
        for package in _downwards(below)
        if (shown := sorted(_direct(package, below)))
    ]
    return "\n".join(["```mermaid", "flowchart TB", *arrows, "```"]) + "\n"


def _imported() -> dict[str, set[str]]:
    """For each package, the packages that it imports."""
    graph = grimp.build_graph("app", cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in graph.modules:
        package = _package(module)
        for imported in graph.find_modules_directly_imported_by(module):
            if _package(imported) != package:
                found.setdefault(package, set()).add(_package(imported))
                found.setdefault(_package(imported), set())
    return {package: others - {"app"} for package, others in found.items() if package != "app"}


def _package(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def _all_below(package: str, below: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = set(below[package])
    while waiting:
        found = waiting.pop()
        reached.add(found)
        waiting |= below[found] - reached
    return reached


def _direct(package: str, below: dict[str, set[str]]) -> set[str]:
    """What it imports and reaches on no other way."""
    return {
        other
        for other in below[package]
        if not any(other in _all_below(between, below) for between in below[package] - {other})
    }


def _downwards(below: dict[str, set[str]]) -> list[str]:
    """The packages, each before those it imports."""
    return sorted(below, key=lambda package: (-len(_all_below(package, below)), package))


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
