"""Fixtures: the program `flask`, on a database of its own. `conftest.py` shares them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from flask.cli import FlaskGroup

from app import config, create_app, wired_of, wiring
from app.platform import log
from tests.api.logs import logging_as
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask import Flask


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """The path of a database that does not exist yet."""
    return tmp_path / "fresh" / "latchkey.db"


@pytest.fixture
def flask(fresh: Path) -> Iterator[Callable[..., Result]]:
    """Runs `flask` with these arguments, as it is found on the path, with Flask's own commands beside ours."""
    apps: list[Flask] = []

    def run(*arguments: str, input: str | bytes | None = None, **settings: str) -> Result:  # noqa: A002 - as click has it
        made = config.load(SETTINGS | {"DATABASE_URL": f"sqlite:///{fresh}"} | settings, dotenv=None)
        app = create_app(made)
        apps.append(app)

        def begin() -> Flask:
            # As `create_app` does by itself when it reads the settings: to the standard error of the command.
            log.configure(made)
            return app

        program: Any = FlaskGroup(create_app=begin)
        with logging_as(made):
            return CliRunner().invoke(program, arguments, input=input)

    run.app = lambda: apps[-1]  # type: ignore[attr-defined] # the application of the last command
    yield run
    for app in apps:
        wired_of(app).close()


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables and the first signing key, to be copied."""
    path: Path = tmp_path_factory.mktemp("ready") / "latchkey.db"
    wiring.prepare(config.load(SETTINGS | {"DATABASE_URL": f"sqlite:///{path}"}, dotenv=None))
    return path


@pytest.fixture
def prepared(ready: Path, fresh: Path) -> None:
    """The database is there, as `flask db upgrade` and each start leave it."""
    fresh.parent.mkdir()
    shutil.copy(ready, fresh)
