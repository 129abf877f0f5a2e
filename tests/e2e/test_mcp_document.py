"""The commands of docs/mcp.md work as they stand, and print what is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.documents import commands_of, printed_by
from tests.e2e.examples import example
from tests.e2e.settings import UNLIMITED
from tests.e2e.visitor import Person
from tests.servers.process import free_port
from tests.servers.service import service

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)  # the first run fetches packages

COMMANDS = commands_of("docs/mcp.md")


@pytest.fixture(scope="module")
def printed() -> Iterator[list[str]]:
    """What each command prints, against a service and an MCP server of their own."""
    settings = {"FLASK_ENV": "development", "WEB_CONCURRENCY": "1", **UNLIMITED}
    with service(settings) as server:
        names = {"localhost:5000": f"localhost:{server.port}", "8000": str(free_port())}
        url = f"http://localhost:{server.port}"
        with example("mcp", latchkey=url, port=int(names["8000"])), Person(url, "boss") as boss:
            yield printed_by(
                COMMANDS,
                folder=server.folder,
                names=names,
                settings={"PUBLIC_URL": url},  # the commands take that of port 5000
                visit=boss.visit,
            )


def test_every_command_runs(printed: list[str]) -> None:
    assert len(printed) == len(COMMANDS)


@pytest.mark.parametrize("command", [number for number, (_, shown) in enumerate(COMMANDS) if shown])
def test_each_command_prints_what_is_shown(command: int, printed: list[str]) -> None:
    shown, given = COMMANDS[command][1].strip(), printed[command].strip().replace("\r", "")
    if shown.startswith("{"):
        assert json.loads(given) == json.loads(shown)
    else:
        assert given == shown
