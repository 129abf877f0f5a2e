"""What an operator does at the command line, in this process: a new one would take longer to load than the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import config, create_app, wired_of
from tests.e2e.settings import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Mapping


def flask(settings: Mapping[str, str], *arguments: str, typed: str = "") -> str:
    """The output of `flask` with these arguments, on the store of these settings; AssertionError if it fails."""
    application = create_app(config.load(dict(settings), dotenv=None))
    try:
        done = application.test_cli_runner().invoke(args=arguments, input=typed)
    finally:
        wired_of(application).close()
    assert done.exit_code == 0, done.output
    return done.output


def create_user(settings: Mapping[str, str], *options: str) -> None:
    """Create a user with these options and PASSWORD."""
    flask(settings, "users", "create", *options, "--password-stdin", typed=PASSWORD)
