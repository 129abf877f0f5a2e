"""`flask attack` asks before it begins, and says what it will do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result

from app import commands
from tests.e2e.foreign import foreign
from tests.e2e.settings import in_testing, on_sqlite
from tests.servers.process import free_port

ROOT = Path(__file__).parents[3]


def run(*arguments: str, input: str = "") -> Result:  # noqa: A002 - the name is click's
    return commands.without_settings().test_cli_runner().invoke(args=["attack", *arguments], input=input)


def test_it_lists_its_checks_and_asks_nobody() -> None:
    result = run("--list")
    assert result.exit_code == 0
    assert "token-unsigned" in result.stdout
    assert run("--list", "--only", "cors").stdout.split()[:2] == ["cors", "high"]


def test_it_names_the_host_and_the_bounds_and_ends_at_a_no() -> None:
    with foreign() as server:
        result = run(f"http://127.0.0.1:{server.port}", "--requests", "77", input="n\n")
        assert result.exit_code == 1
        assert f"http://127.0.0.1:{server.port}" in result.stderr
        assert "at most 77 requests" in result.stderr
        assert server.received == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["auth.example.com"],
        ["https://auth.example.com", "--only", "nothing"],
        ["https://auth.example.com", "--proxy-path", "ftp://app.example.com/"],
        ["https://auth.example.com", "--password-stdin"],
        ["https://auth.example.com", "--account", "ann"],
        ["https://auth.example.com", "--account", "ann", "--password-stdin"],
        ["https://auth.example.com", "--requests", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_exits_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_deployment_that_does_not_answer_exits_with_5() -> None:
    result = run(f"http://127.0.0.1:{free_port()}", "--yes", "--json")
    assert result.exit_code == 5
    assert "no connection" in result.stderr
    assert result.stdout == ""


def test_the_service_never_loads_it(tmp_path: Path) -> None:
    script = (
        "import sys, json, app.wsgi; print(json.dumps([name for name in sys.modules if name.startswith('attack')]))"
    )
    environment = {"PYTHONPATH": str(ROOT), **in_testing(**on_sqlite(tmp_path))}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True, text=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
