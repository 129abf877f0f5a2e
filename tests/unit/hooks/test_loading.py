"""Hooks are found by what HOOKS names, and nothing starts without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app import config, wiring
from app.hooks import Refused, Registration
from app.hooks.calls import Hooks
from app.hooks.loading import load
from app.platform.errors import RegistrationRefused
from app.platform.failure import StartError
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

REGISTRATION = Registration(email=None, username="ann", name=None, ip="192.0.2.1", user_agent="curl")
MODULE = """
from app.hooks import Refused

class Nobody:
    def check_registration(self, registration):
        raise Refused("Nobody.")

somebody = Nobody()
nothing = object()

def broken():
    raise ValueError

class Broken:
    def __init__(self):
        raise ValueError("no directory")
"""

ENTRIES = {
    "one": "foreign = foreign_hooks:Nobody\ntwice = foreign_hooks:Nobody",
    "two": "twice = foreign_hooks:somebody",
}


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with the module above and an entry point for it, as pip would install it."""
    (tmp_path / "foreign_hooks.py").write_text(MODULE)
    for name, entries in ENTRIES.items():
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[latchkey.hooks]\n{entries}\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("name", ["foreign_hooks:Nobody", "foreign_hooks:somebody", "foreign"])
def test_a_hook_is_named_by_its_place_or_by_an_entry_point(name: str) -> None:
    with pytest.raises(RegistrationRefused, match="Nobody"):
        load([name], 30).check_registration(REGISTRATION)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module:Hooks", "cannot be loaded"),
        ("foreign_hooks:Nowhere", "cannot be loaded"),
        ("foreign_hooks:Broken", "no directory"),
        ("foreign_hooks:nothing", "none of the methods"),
        ("foreign_hooks:broken", "none of the methods"),
        ("unknown", "no installed package"),
        ("twice", "several installed packages"),
    ],
)
def test_a_start_fails_without_a_hook_that_is_set(name: str, why: str) -> None:
    with pytest.raises(StartError, match=f"^HOOKS: .*{why}"):
        load([name], 30)


def test_an_installed_package_does_nothing_that_the_operator_did_not_name() -> None:
    wired = wiring.build(config.load(SETTINGS, dotenv=None))
    assert wired.find(Hooks) is None
    wired.close()


def test_a_refusal_is_an_exception_of_the_hook_alone() -> None:
    assert not issubclass(RegistrationRefused, Refused)


@pytest.mark.parametrize("wrong", ["a b", "a:", ":b", "a:b:c", "../a", "a;b"])
def test_a_name_in_another_form_is_refused(wrong: str) -> None:
    with pytest.raises(config.ConfigurationError, match="HOOKS: entry 1 has to be module:attribute"):
        config.load(SETTINGS | {"HOOKS": wrong}, dotenv=None)
