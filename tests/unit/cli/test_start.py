"""Every command shows its help without settings, and finds the database of `make run` in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from flask.cli import FlaskGroup

from app import config, create_app, wiring
from app.config.settings import definitions
from tests.api.logs import logging_as
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMANDS = [
    ("db", "check"), ("db", "upgrade"), ("doctor",), ("keys", "list"), ("keys", "retire"), ("keys", "revoke"),
    ("keys", "rotate"), ("secrets", "leaked"), ("secrets", "make"), ("token", "explain"), ("users", "create"),
    ("users", "list"), ("users", "show"), ("users", "disable"), ("users", "enable"), ("users", "delete"),
    ("users", "set-roles"), ("users", "reset-password"), ("users", "rescue"), ("sessions", "list"), ("sessions", "end"),
    ("bootstrap",), ("settings", "check"),
]  # fmt: skip
NAMES = [name for section in definitions().values() for name in section]


@pytest.fixture
def flask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `flask` in an empty folder, without any setting but those that are given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLASK_SKIP_DOTENV", "1")  # Flask would put it into the environment of the other tests
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, **settings: str) -> Result:
        program: Any = FlaskGroup(create_app=create_app)
        with logging_as(config.load(SETTINGS, dotenv=None)):
            return CliRunner().invoke(program, arguments, env=settings, standalone_mode=True)

    return run


def test_the_list_of_commands_needs_no_settings(flask: Callable[..., Result]) -> None:
    result = flask("--help")
    assert result.exit_code == 0
    assert {name for name, *_ in COMMANDS} <= set(result.stdout.split())


@pytest.mark.parametrize("command", [*COMMANDS, *dict.fromkeys((name,) for name, *_ in COMMANDS)], ids=" ".join)
@pytest.mark.parametrize("settings", [{}, {"PORT": "planted"}], ids=["none", "a wrong one"])
def test_help_needs_no_settings(
    command: tuple[str, ...], settings: dict[str, str], flask: Callable[..., Result]
) -> None:
    result = flask(*command, "--help", **settings)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")
    assert result.stderr == ""


@pytest.mark.parametrize("command", [("keys", "list"), ("doctor",), ("users", "list"), ("routes",), ("db", "check")])
def test_without_settings_a_command_says_which_are_wrong(
    command: tuple[str, ...], flask: Callable[..., Result]
) -> None:
    result = flask(*command)
    assert result.exit_code == 1
    assert "SECRET_KEY: is not set, and production needs it" in result.output
    assert "DATABASE_URL: neither it nor MONGO_URI is set" in result.output
    assert "Traceback" not in result.output


@pytest.fixture
def beside_make_run(flask: Callable[..., Result]) -> None:  # noqa: ARG001 - in its folder
    """The folder in which `make run` has made its secret and its database."""
    wiring.prepare(config.load({"FLASK_ENV": "development"}, dotenv=None), patience=0)


@pytest.mark.usefixtures("beside_make_run")
def test_a_command_beside_make_run_finds_its_database_and_its_secret_and_says_so(flask: Callable[..., Result]) -> None:
    for command in (("users", "list"), ("keys", "list"), ("keys", "rotate"), ("db", "check")):
        result = flask(*command)
        assert result.exit_code == 0, result.output
        assert result.stderr.startswith("Note: this is the folder of make run")
    assert "(SECRET_KEY)" in flask("keys", "list").stdout


@pytest.mark.usefixtures("beside_make_run")
@pytest.mark.parametrize(
    "settings",
    [
        {"FLASK_ENV": "production"},
        {"SECRET_KEY": SETTINGS["SECRET_KEY"]},
        {"SECRET_KEY_FILE": "missing"},
    ],
    ids=str,
)
def test_a_setting_that_means_production_is_never_taken_for_make_run(
    settings: dict[str, str], flask: Callable[..., Result]
) -> None:
    result = flask("users", "list", **settings)
    assert result.exit_code == 1
    assert "DATABASE_URL: neither it nor MONGO_URI is set" in result.stderr


@pytest.mark.usefixtures("beside_make_run")
def test_dotenv_can_mean_production_as_well(flask: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"SECRET_KEY={SETTINGS['SECRET_KEY']}\n")
    assert flask("users", "list").exit_code == 1
