"""Writes into docs/architecture.md what the code itself says: tables of the packages, and a picture of their imports.

    python -m tests.tools.house

A test compares the document with what this makes, so neither can be false.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import grimp

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"
DOCUMENT = ROOT / "docs/architecture.md"
PUT_TOGETHER = ("__init__", "wsgi", "commands", "wiring", "dependencies", "features")
"""The modules that put the application together; `__init__` stands for `app` itself."""

OUTSIDE = ["attack/"]
"""Packages beside `app/` that are part of the image."""


def rewritten(text: str) -> str:
    """The document with its tables and its picture as the code has them now."""
    for name, made in (("packages", packages()), ("imports", imports())):
        begin, end = f"<!-- {name}: made by tests/tools/house.py -->\n", "<!-- end -->"
        before, _, rest = text.partition(begin)
        _, _, behind = rest.partition(end)
        text = f"{before}{begin}\n{made}\n{end}{behind}"
    return text


def packages() -> str:
    """A table for each group, with a row for each part: the first paragraph of its docstring."""
    features = [f"app/{part.parent.relative_to(APP)}/" for part in sorted(APP.rglob("__init__.py")) if _declares(part)]
    put_together = [f"app/{name}.py" for name in PUT_TOGETHER]
    tops = [f"app/{part.name}/" for part in sorted(APP.iterdir()) if (part / "__init__.py").exists()]
    shared = [part for part in tops if not any(feature.startswith(part) for feature in features)]
    modules = [f"app/{part.name}" for part in sorted(APP.glob("*.py"))]
    return "\n".join(
        _table(head, parts)
        for head, parts in (
            ("feature", features),
            ("what features work with", sorted(shared + [each for each in modules if each not in put_together])),
            ("what puts them together", put_together),
            ("what knows nothing of them", OUTSIDE),
        )
    )


def _table(head: str, parts: Sequence[str]) -> str:
    rows = [f"| `{part}` | {_purpose(ROOT / part)} |" for part in parts]
    return "\n".join([f"| {head} | what it is for |", "|---|---|", *rows]) + "\n"


def _declares(module: Path) -> bool:
    """Whether a package declares a feature."""
    targets = [node.targets for node in _parsed(module).body if isinstance(node, ast.Assign)]
    return any(isinstance(target, ast.Name) and target.id == "FEATURE" for each in targets for target in each)


def _purpose(part: Path) -> str:
    docstring = ast.get_docstring(_parsed(part / "__init__.py" if part.is_dir() else part)) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


def _parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def imports() -> str:
    """Which package imports which, without the arrows that follow from others; the features in a frame."""
    below = _imported()
    features = {part.parent.relative_to(APP).parts[0] for part in APP.rglob("__init__.py") if _declares(part)}
    arrows = [
        f"    {package} --> {' & '.join(shown)}"
        for package in _downwards(below)
        if (shown := sorted(_direct(package, below)))
    ]
    frame = ["    subgraph frame [the features]", *(f"        {feature}" for feature in sorted(features)), "    end"]
    return "\n".join(["```mermaid", "flowchart TB", *frame, *arrows, "```"]) + "\n"


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
