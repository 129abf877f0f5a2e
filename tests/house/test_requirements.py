"""What is installed is what was locked: each package by its version and the hashes of its files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app import __version__

ROOT = Path(__file__).parents[2]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
INSTALL = re.compile(r"\bpip\b.* install\b")
INSTALLERS = ("Makefile", "Dockerfile", ".ci/run", "docs/deployment.md")

each_lock = pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt", "requirements-fuzz.txt"])


def _locked(lock: str) -> dict[tuple[str, str], str]:
    """The options of each package, by name and version, that a lock names; some depend on the version of Python."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        parts = re.fullmatch(r"([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)(?: ; [^-]*?)?((?: +--\S+)*) *", line)
        assert parts, f"{lock}: {line[:80]}"
        found[parts[1], parts[2]] = parts[3]
    return found


def _wanted(source: str) -> set[str]:
    lines = (ROOT / source).read_text().splitlines()
    return {re.sub(r"(\[| ;).*", "", line) for line in lines if not line.startswith(("#", "-r "))}


@each_lock
def test_every_requirement_has_a_version_and_hashes_and_nothing_else(lock: str) -> None:
    for package, options in _locked(lock).items():
        assert options.split(), f"{package} has no hash: run `make lock`"
        assert all(HASH.fullmatch(option) for option in options.split()), package


@each_lock
def test_a_lock_holds_all_that_its_source_asks_for(lock: str) -> None:
    missing = _wanted(lock.replace(".txt", ".in")) - {name for name, _ in _locked(lock)}
    assert missing == set(), "run `make lock`"


def test_the_tests_run_on_what_the_service_runs_on() -> None:
    service, tests = _locked("requirements.txt"), _locked("requirements-dev.txt")
    assert {package: tests.get(package) for package in service} == service


def test_the_sbom_lists_exactly_what_is_locked_with_its_hashes(tmp_path: Path) -> None:
    recipe = re.search(r"^sbom:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    made = tmp_path / "sbom.json"
    command = recipe[1].replace("$(BIN)", str(Path(sys.executable).parent))
    command = command.replace("-o sbom.cdx.json", f"--no-validate -o {made}")  # which takes 3 seconds
    run = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{run.stderr} (make .venv/.dev installs what is missing)"

    sbom = json.loads(made.read_text())
    listed = {
        (each["name"], each["version"]): {one["content"] for of in each["externalReferences"] for one in of["hashes"]}
        for each in sbom["components"]
    }
    locked = {
        package: {option.rpartition(":")[2] for option in options.split()}
        for package, options in _locked("requirements.txt").items()
    }
    assert len(listed) == len(sbom["components"])
    assert listed == locked
    root = sbom["metadata"]["component"]
    assert (sbom["bomFormat"], root["name"], root["version"]) == ("CycloneDX", "latchkey", __version__)


@pytest.mark.parametrize("file", INSTALLERS)
def test_whatever_installs_asks_for_the_hashes(file: str) -> None:
    text = (ROOT / file).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if INSTALL.search(line):
            assert "--require-hashes" in line, line
