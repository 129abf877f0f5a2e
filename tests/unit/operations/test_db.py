"""`flask db` brings the store up to date by hand, and shows what it lacks."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from app.cli.common import is_note
from tests.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result


def test_an_upgrade_makes_what_is_missing_once(flask: Callable[..., Result], fresh: Path) -> None:
    for _ in range(2):
        result = flask("db", "upgrade")
        assert (result.exit_code, result.stdout) == (0, "up to date\n")

    with closing(sqlite3.connect(fresh)) as connection:
        assert connection.execute("SELECT version FROM keyrings").fetchall() == [(1,)]
    check = flask("db", "check")
    assert (check.exit_code, check.stdout) == (0, "")
    for command in ("upgrade", "check"):
        assert json.loads(flask("db", command, "--json").stdout) == {"store": "SQLite", "problems": []}


def test_a_check_names_what_is_missing(flask: Callable[..., Result], fresh: Path) -> None:
    fresh.parent.mkdir()
    fresh.touch(0o600)
    before = flask("db", "check")
    assert before.exit_code == 1
    assert "run flask db upgrade" in before.stdout

    flask("db", "upgrade")
    with closing(sqlite3.connect(fresh)) as connection, connection:
        connection.execute("DROP INDEX users_by_email")
    after = flask("db", "check")
    assert after.exit_code == 1
    assert after.stdout.count("\n") == 1, after.stdout
    assert "users_by_email" in after.stdout


def test_a_store_that_is_down_is_reported_in_one_line(flask: Callable[..., Result]) -> None:
    url = f"postgresql://latchkey@127.0.0.1:{free_port()}/latchkey"
    for command in ("upgrade", "check"):
        refused = flask("db", command, DATABASE_URL=url)
        assert refused.exit_code == 1
        assert refused.stderr.startswith("Error: PostgreSQL does not answer")
        assert refused.stderr.count("\n") == 1


@pytest.mark.usefixtures("prepared")
def test_a_secret_that_does_not_open_the_keyring_is_reported(flask: Callable[..., Result]) -> None:
    refused = flask("db", "upgrade", SECRET_KEY="wP4nT8xK2mV6rB9sJ3hL7gD1fQ5zC0aE-yU_oI")

    assert refused.exit_code == 1
    assert "SECRET_KEY_FALLBACKS" in refused.stderr


def test_a_note_is_not_a_problem() -> None:
    assert is_note("note: MongoDB is not a replica set")
    assert not is_note("the index users_by_email is missing")
