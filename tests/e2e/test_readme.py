"""The README's commands work as they stand, from its first line to a token.

Each `bash` block is run, in the order of the page, in one shell; what it prints is compared with the `json` or `text`
block after it. Only the address and the virtual environment are replaced by those of the test.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.fixtures import require
from tests.servers.process import program
from tests.servers.service import ROOT, service

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(90)

BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
COMMANDS = [
    (text, shown if kind in {"json", "text"} else "")
    for (language, text), (kind, shown) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True)
    if language == "bash"
]
"""Each command with its output, which is empty if no block with an output follows."""
SHOWS_JSON = [command for command in range(len(COMMANDS)) if COMMANDS[command][1].startswith("{")]
BETWEEN = "\0"


@pytest.fixture(scope="module")
def printed() -> Iterator[list[str]]:
    """What the commands print, each against the same service, which starts empty in a folder of its own."""
    for name in ("bash", "curl"):
        require(None if program(name) else f"{name} is not installed")
    with service({"FLASK_ENV": "development", "WEB_CONCURRENCY": "1"}) as server:
        environment = Path(sys.executable).parent
        script = "\nprintf '\\0'\n".join(command for command, _ in COMMANDS)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", _here(script, server.port).replace(".venv/bin", str(environment))],
            cwd=server.folder,
            env={"PATH": f"{environment}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # without a terminal, no password is asked for
        )
        assert done.returncode == 0, done.stderr
        yield [_there(output, server.port) for output in done.stdout.split(BETWEEN)]


def test_the_readme_leads_to_a_token_and_an_administrator() -> None:
    said = "".join(command for command, _ in COMMANDS)
    for step in ("/auth/register", "TOKEN=", "/auth/login", "/auth/me", "/auth/users", "users create --role admin"):
        assert step in said


def test_every_command_runs(printed: list[str]) -> None:
    assert len(printed) == len(COMMANDS)


@pytest.mark.parametrize("command", SHOWS_JSON)
def test_each_reply_is_the_one_shown(command: int, printed: list[str]) -> None:
    shown = json.loads(COMMANDS[command][1])
    assert _shortened_as(shown, json.loads(printed[command])) == shown


@pytest.mark.parametrize("command", [command for command in range(len(COMMANDS)) if command not in SHOWS_JSON])
def test_each_other_command_prints_what_is_shown(command: int, printed: list[str]) -> None:
    shown = COMMANDS[command][1].strip()
    assert _shortened_as(shown, printed[command].strip()) == shown


def _here(text: str, port: int) -> str:
    return text.replace("localhost:5000", f"localhost:{port}")


def _there(text: str, port: int) -> str:
    return text.replace(f"localhost:{port}", "localhost:5000")


def _whole(name: str, value: Any) -> Any:
    """Access tokens live up to 5 % less than the setting, at random; all else is as given."""
    return 900 if name == "expires_in" and 855 <= value <= 900 else value


def _shortened_as(shown: Any, given: Any) -> Any:
    """What was given, but each text that `shown` has shortened by … as it is there, if the rest is the same."""
    if isinstance(shown, dict) and isinstance(given, dict):
        return {name: _shortened_as(shown.get(name), _whole(name, value)) for name, value in given.items()}
    if isinstance(shown, list) and isinstance(given, list) and len(shown) == len(given):
        return [_shortened_as(*pair) for pair in zip(shown, given, strict=True)]
    if isinstance(shown, str) and isinstance(given, str):
        pattern = ".+".join(re.escape(part) for part in shown.split("…"))
        return shown if re.fullmatch(pattern, given, re.DOTALL) else given
    return given
