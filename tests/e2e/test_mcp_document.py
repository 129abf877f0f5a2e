"""The commands of docs/mcp.md work as they stand, and print what is shown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.examples import example
from tests.e2e.form_browser import FormBrowser
from tests.e2e.settings import UNLIMITED
from tests.servers.fixtures import require
from tests.servers.process import free_port, program
from tests.servers.service import ROOT, service

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)  # the first run fetches packages

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "docs" / "mcp.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
COMMANDS = [
    (text, shown if kind in {"json", "text"} else "")
    for (language, text), (kind, shown) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True)
    if language == "bash"
]
"""Each command with its output, which is empty if none is shown."""
BETWEEN = "\0"
TYPES_CODE = "read -r CODE\n"


@pytest.fixture(scope="module")
def printed() -> Iterator[list[str]]:
    """What each command prints, against a service and an MCP server of their own."""
    for name in ("bash", "curl", "openssl"):
        require(None if program(name) else f"{name} is not installed")
    settings = {"FLASK_ENV": "development", "WEB_CONCURRENCY": "1", **UNLIMITED}
    with service(settings) as server:
        ports = {"localhost:5000": f"localhost:{server.port}", "8000": str(free_port())}
        url = f"http://localhost:{server.port}"
        with example("mcp", latchkey=url, port=int(ports["8000"])):
            environment = Path(sys.executable).parent
            commands = [f"{TYPES_CODE if '$CODE' in command else ''}{command}" for command, _ in COMMANDS]
            script = _changed("\nprintf '\\0'\n".join(commands), ports).replace(".venv/bin", str(environment))
            shell = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=server.folder,
                env={
                    "PATH": f"{environment}:/usr/bin:/bin",
                    "PYTHONPATH": str(ROOT),
                    "LANG": "C.UTF-8",
                    "PUBLIC_URL": url,  # the commands take that of port 5000
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            said = ""
            assert shell.stdout is not None
            while f"{url}/oauth/authorize?" not in said or not said.endswith(BETWEEN):
                letter = shell.stdout.read(1)
                assert letter, shell.communicate()[1]
                said += letter
            (address,) = re.findall(rf"{url}/oauth/authorize\?\S+", said)
            code = httpx.URL(FormBrowser(url).allow(address, "boss")).params["code"]
            rest, errors = shell.communicate(f"{code}\n", timeout=60)
            assert shell.returncode == 0, errors
            there = {port: name for name, port in ports.items()}
            yield [_changed(output, there) for output in f"{said}{rest}".split(BETWEEN)]


def test_every_command_runs(printed: list[str]) -> None:
    assert len(printed) == len(COMMANDS)


@pytest.mark.parametrize("command", [number for number, (_, shown) in enumerate(COMMANDS) if shown])
def test_each_command_prints_what_is_shown(command: int, printed: list[str]) -> None:
    shown, given = COMMANDS[command][1].strip(), printed[command].strip().replace("\r", "")
    if shown.startswith("{"):
        assert json.loads(given) == json.loads(shown)
    else:
        assert given == shown


def _changed(text: str, names: dict[str, str]) -> str:
    for name, other in names.items():
        text = text.replace(name, other)
    return text
