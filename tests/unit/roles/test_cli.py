"""`flask roles`: the list, and the sample roles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.features import PERMISSIONS
from app.roles.model import Role, RoleBook
from tests.stores import sql_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result


def test_the_sample_roles_may_come_before_the_first_start(flask: Callable[..., Result]) -> None:
    assert flask("roles", "load").stdout.splitlines() == ["instructor was added", "student was added"]
    assert [line.split("\t")[:2] for line in flask("roles", "list").stdout.splitlines()] == [
        ["admin", ",".join(sorted(PERMISSIONS))],
        ["instructor", "users:read"],
        ["member", "-"],
        ["student", "-"],
    ]


@pytest.mark.usefixtures("prepared")
def test_loading_again_leaves_an_edited_role_as_it_is(flask: Callable[..., Result], fresh: Path) -> None:
    assert json.loads(flask("roles", "load", "--json").stdout) == {"added": ["instructor", "student"], "kept": []}
    store, edited = sql_store(f"sqlite:///{fresh}"), Role("student", ("audit:read",), "Reads all.")
    assert store.role_books.save(RoleBook(2, {"student": edited}))
    assert json.loads(flask("roles", "load", "--json").stdout) == {"added": ["instructor"], "kept": ["student"]}
    assert json.loads(flask("roles", "load", "--json").stdout) == {"added": [], "kept": ["instructor", "student"]}
    assert store.role_books.load().role("student") == edited
    store.close()
    shown = [json.loads(line) for line in flask("roles", "list", "--json").stdout.splitlines()]
    assert {
        "name": "student",
        "permissions": ["audit:read"],
        "description": "Reads all.",
        "require_second_factor": False,
    } in shown
