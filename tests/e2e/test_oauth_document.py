"""The first steps of docs/oauth.md work as they stand, and print what is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.documents import commands_of, printed_by, shortened_as
from tests.e2e.visitor import Person
from tests.servers.service import service

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(90)

COMMANDS = commands_of("docs/oauth.md")


@pytest.fixture(scope="module")
def printed() -> Iterator[list[str]]:
    """What each command prints, against a service of their own."""
    with service({"FLASK_ENV": "development", "WEB_CONCURRENCY": "1"}) as server:
        url = f"http://localhost:{server.port}"
        with Person(url, "ann") as ann:
            yield printed_by(
                COMMANDS,
                folder=server.folder,
                names={"localhost:5000": f"localhost:{server.port}"},
                settings={"PUBLIC_URL": url},  # the commands take that of port 5000
                visit=ann.visit,
            )


def test_every_command_runs(printed: list[str]) -> None:
    assert len(printed) == len(COMMANDS)


@pytest.mark.parametrize("command", [number for number, (_, shown) in enumerate(COMMANDS) if shown])
def test_each_command_prints_what_is_shown(command: int, printed: list[str]) -> None:
    shown, given = COMMANDS[command][1].strip(), printed[command].strip()
    if shown.startswith("{"):
        assert shortened_as(json.loads(shown), json.loads(given)) == json.loads(shown)
    else:
        assert given == shown
