"""docs/oauth.md names a test for each module of the OpenID Foundation's plans: it exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"^\| `(oidcc-[a-z0-9-]+)` \| `(tests/[a-z0-9_/]+\.py)::(test_\w+)` \|", re.MULTILINE)
MODULES = 38 + 1 + 11 + 2
"""Those of the plans Basic OP, Config OP, RP-Initiated Logout OP and Back-Channel Logout OP."""


def test_each_module_of_the_profiles_is_named_once_with_a_test_that_there_is() -> None:
    text = (ROOT / "docs/oauth.md").read_text()
    found = LINE.findall(text)
    assert len(found) == text.count("| `oidcc-") == MODULES
    assert len({module for module, _, _ in found}) == MODULES
    missing = [(module, name) for module, file, name in found if name not in names_in(ROOT / file)]
    assert missing == []


def names_in(file: Path) -> set[str]:
    """The names of the tests of a module."""
    if not file.exists():
        return set()
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}
