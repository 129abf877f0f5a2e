"""`flask settings`: what is set, where it comes from, and whether it is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.config.settings import definitions
from tests.api.service import SETTINGS
from tests.unit.cli.test_start import flask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

__all__ = ["flask"]  # the fixture
SECRET = "planted-" + SETTINGS["SECRET_KEY"]
URL = "postgresql://ann:planted@db.example.com/latchkey"


def test_every_setting_is_shown_with_its_origin_and_no_secret(flask: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HIDE_ACCOUNTS=on\nPORT=8080\nSMTP_URL=smtps://ann:planted@mail.example.com\n")
    (tmp_path / "secret").write_text(SECRET)
    given = {"DATABASE_URL": URL, "SECRET_KEY_FILE": str(tmp_path / "secret"), "PORT": "9090", "DEFAULT_ROLES": ""}
    result = flask("settings", "--json", **given)
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["name"] for row in rows] == [name for section in definitions().values() for name in section]
    shown = {row["name"]: (row["value"], row["origin"]) for row in rows}
    assert shown["PORT"] == ("9090", "environment")
    assert shown["HIDE_ACCOUNTS"] == ("on", ".env")
    assert shown["DATABASE_URL"] == ("********", "environment")
    assert shown["SMTP_URL"] == ("********", ".env")
    assert shown["SECRET_KEY"] == ("********", "file, named by SECRET_KEY_FILE (environment)")
    assert shown["DEFAULT_ROLES"] == ("member", "default")
    assert shown["BOOTSTRAP_ADMIN_EMAIL"] == (None, "default")
    assert "PORT=9090\tenvironment" in flask("settings", **given).stdout.splitlines()
    for output in (result.output, flask("settings", **given).output):
        assert "planted" not in output
        assert str(tmp_path) not in output


def test_right_settings_are_right(flask: Callable[..., Result]) -> None:
    given = {"DATABASE_URL": URL, "SECRET_KEY": SECRET}  # which nothing connects to
    right = flask("settings", "check", **given)
    assert (right.exit_code, right.stdout) == (0, "The settings are right.\n")
    assert json.loads(flask("settings", "check", "--json", **given).stdout) == {"problems": []}


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_every_wrong_setting_is_named(flask: Callable[..., Result], form: tuple[str, ...]) -> None:
    wrong = flask("settings", "check", *form, PORT="planted", BCRYPT_COST="4", BOOTSTRAP_ADMIN_EMAIL="planted")
    assert wrong.exit_code == 1
    lines = json.loads(wrong.stdout)["problems"] if form else wrong.stdout.splitlines()
    names = sorted(line.partition(":")[0] for line in lines)
    assert names == ["BCRYPT_COST", "BOOTSTRAP_ADMIN_EMAIL", "DATABASE_URL", "PORT", "SECRET_KEY"]
    assert "planted" not in wrong.output
    assert "Traceback" not in wrong.output
    assert flask("settings", PORT="planted").exit_code == 1


def test_what_a_build_refuses_is_wrong_too(flask: Callable[..., Result]) -> None:
    wrong = flask("settings", "check", DATABASE_URL=f"{URL}?no_such=option", SECRET_KEY=SECRET)
    assert wrong.exit_code == 1
    assert wrong.stdout.startswith("DATABASE_URL: ")
