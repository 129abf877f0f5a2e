"""One way leads to a session: through the gate of logins."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
GATE = ROOT / "app/sessions/gate.py"


def naming(attribute: str) -> set[Path]:
    """The modules of the application in which something of this name is used, called or handed on."""
    return {
        module
        for module in (ROOT / "app").rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr == attribute)
        or (isinstance(node, ast.Constant) and node.value == attribute)
    }


def test_the_gate_alone_opens_sessions() -> None:
    assert naming("open_session") == {GATE}


def test_the_service_of_sessions_alone_stores_new_ones() -> None:
    """The operation of the store is called `open`, as are files: what it is called on tells them apart."""
    calls = {
        module
        for module in (ROOT / "app").rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "open" and "sessions" in ast.unparse(node.value).lower()
    }
    assert calls == {ROOT / "app/sessions/service.py"}
