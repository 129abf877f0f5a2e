"""Shell scripts: shellcheck finds no fault in them, and they stop at the first failure."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _tracked_or_new() -> list[str]:
    """The files of the project: what git knows, and what it is not told to ignore."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def _is_script(name: str) -> bool:
    with (ROOT / name).open("rb") as file:
        first = file.readline(64)
    return name.endswith(".sh") or (first.startswith(b"#!") and first.rstrip().endswith((b"bash", b"/sh")))


SCRIPTS = [name for name in _tracked_or_new() if _is_script(name)]


@pytest.fixture(params=SCRIPTS)
def script(request: pytest.FixtureRequest) -> Path:
    return ROOT / str(request.param)


def test_all_scripts_are_found() -> None:
    assert {".ci/run", "start.sh", "deploy/build.sh", "deploy/user-data.sh"} <= set(SCRIPTS)


def test_shellcheck_finds_no_fault(script: Path) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_script_can_be_run_and_stops_at_the_first_failure(script: Path) -> None:
    assert script.stat().st_mode & 0o111, "chmod +x"
    assert "\nset -euo pipefail\n" in script.read_text(encoding="utf-8")
