"""`make` on a machine that is not as it should be says what to do, and leaves nothing half made."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
PYTHON = f"""#!/bin/sh
# Stands for a Python of another machine: with or without ensurepip, of another version, with pip or without.
case "$*" in
  *ensurepip*) test -z "$NO_ENSUREPIP" ;;
  "-m venv .venv")
    mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo made >> made && test -z "$FAILS_MIDWAY" && touch .venv/pip ;;
  "-m pip"*) test -e .venv/pip ;;
  "-c "*) exec {sys.executable} -c "import sys; sys.version_info = ($VERSION, 0); exec(sys.argv[1])" "$2" ;;
  *) exit 9 ;;
esac
"""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Runs `make` on a copy of the Makefile, with a Python that is as the variables say."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)

    def run(target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "VERSION": "3, 13", **variables}
        command = ["make", "--no-print-directory", target, f"PYTHON={python}"]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_python_without_venv_names_the_package_and_leaves_nothing(make: Make, tmp_path: Path) -> None:
    done = make(".venv/.run", NO_ENSUREPIP="yes")
    assert done.returncode != 0
    assert "sudo apt-get install python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_venv_that_fails_midway_is_removed(make: Make, tmp_path: Path) -> None:
    assert make(".venv/.run", FAILS_MIDWAY="yes").returncode != 0
    assert not (tmp_path / ".venv").exists()
    assert make(".venv/.run").returncode == 0


def test_a_venv_that_was_left_half_made_is_recreated(make: Make, tmp_path: Path) -> None:
    assert make(".venv/.run").returncode == 0
    for name in ("pip", ".run"):
        (tmp_path / ".venv" / name).unlink()

    done = make(".venv/.run")

    assert done.returncode == 0, done.stderr
    assert "has no pip" in done.stderr
    assert (tmp_path / "made").read_text().count("made") == 2
    assert make(".venv/.run").stderr == ""


@pytest.mark.parametrize(("version", "said"), [("3, 11", 0), ("3, 13", 0), ("3, 14", 1), ("4, 0", 1)])
def test_a_python_newer_than_the_tested_ones_is_reported_in_one_line(version: str, said: int, make: Make) -> None:
    done = make("tried", VERSION=version)
    assert done.returncode == 0
    assert done.stderr.count("\n") == said
    assert done.stderr.count("is newer than those that Latchkey was tried with (3.11 to 3.13)") == said


def test_an_old_python_is_refused(make: Make, tmp_path: Path) -> None:
    done = make(".venv/.run", VERSION="3, 10")
    assert done.returncode != 0
    assert "needs Python 3.11 or later" in done.stderr
    assert not (tmp_path / ".venv").exists()
