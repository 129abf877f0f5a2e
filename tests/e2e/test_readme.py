"""The README's commands work as they stand, from its first line to a token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.documents import commands_of, printed_by, shortened_as
from tests.servers.service import service

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(90)

COMMANDS = commands_of("README.md")
SHOWS_JSON = [command for command in range(len(COMMANDS)) if COMMANDS[command][1].startswith("{")]


@pytest.fixture(scope="module")
def printed() -> Iterator[list[str]]:
    """What the commands print, each against the same service, which starts empty in a folder of its own."""
    with service({"FLASK_ENV": "development", "WEB_CONCURRENCY": "1"}) as server:
        yield printed_by(COMMANDS, folder=server.folder, names={"localhost:5000": f"localhost:{server.port}"})


def test_the_readme_leads_to_a_token_and_an_administrator() -> None:
    said = "".join(command for command, _ in COMMANDS)
    for step in ("/auth/register", "TOKEN=", "/auth/login", "/auth/me", "/auth/users", "users create --role admin"):
        assert step in said


def test_every_command_runs(printed: list[str]) -> None:
    assert len(printed) == len(COMMANDS)


@pytest.mark.parametrize("command", SHOWS_JSON)
def test_each_reply_is_the_one_shown(command: int, printed: list[str]) -> None:
    shown = json.loads(COMMANDS[command][1])
    assert shortened_as(shown, json.loads(printed[command])) == shown


@pytest.mark.parametrize("command", [command for command in range(len(COMMANDS)) if command not in SHOWS_JSON])
def test_each_other_command_prints_what_is_shown(command: int, printed: list[str]) -> None:
    shown = COMMANDS[command][1].strip()
    assert shortened_as(shown, printed[command].strip()) == shown
