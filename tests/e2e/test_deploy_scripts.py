"""deploy/build.sh and deploy/user-data.sh, on a machine whose programs record what they are asked."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from app import __version__
from tests.e2e.compose import ROOT

RECORD = """\
#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >> "$STATE/calls"
"""
FAKES = {
    "docker": "",
    "apt-get": "",
    "systemctl": "",
    "apt-cache": 'case " $PACKAGES " in *" $2 "*) echo "Package: $2" ;; *) exit 100 ;; esac\n',
}
"""What is put in the place of a program, after it has recorded the call."""
AUTHOR = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
VERSION = "app/platform/version.py"
TRIXIE = "docker.io docker-cli docker-buildx docker-compose"


class Machine:
    """A machine with programs that record their calls; git is the real one."""

    def __init__(self, folder: Path) -> None:
        self.programs, self.state = folder / "programs", folder / "state"
        for made in (self.programs, self.state):
            made.mkdir()
        for name, text in FAKES.items():
            (self.programs / name).write_text(RECORD + text)
            (self.programs / name).chmod(0o755)
        self.origin = folder / "origin"
        self.folder = folder / "opt" / "latchkey"
        self.units = folder / "units"
        self.units.mkdir()
        self.folder.parent.mkdir()

    def run(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script on it."""
        path = f"{self.programs}:{os.environ['PATH']}"
        return subprocess.run(
            command,
            env={"PATH": path, "STATE": str(self.state), "HOME": str(self.state), "PACKAGES": TRIXIE, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def commit(self, version: str) -> str:
        """A commit of the project with this version, and its tag; its name."""
        if not self.origin.exists():
            self.git("init", "--quiet", str(self.origin), folder=Path("/"))
            shutil.copytree(ROOT / "deploy", self.origin / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
            (self.origin / VERSION).parent.mkdir(parents=True)
        (self.origin / VERSION).write_text(f'"""The version."""\n\n__version__ = "{version}"\n')
        self.git("add", "--all")
        self.git(*AUTHOR, "commit", "--quiet", "--message", version)
        self.git("tag", f"v{version}")
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str, folder: Path | None = None) -> str:
        """Run the real git in the place that the project is cloned from."""
        done = subprocess.run(
            ["git", *arguments], cwd=folder or self.origin, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def first_boot(self, **settings: str) -> subprocess.CompletedProcess[str]:
        """What cloud-init does with user-data.sh."""
        values = {"REPOSITORY": str(self.origin), "REVISION": "v1.0.0", "PUBLIC_URL": "https://auth.example.com"}
        places = {"FOLDER": str(self.folder), "UNITS": str(self.units)}
        return self.run(ROOT / "deploy" / "user-data.sh", **{**values, **places, **settings})

    def calls(self, program: str) -> list[str]:
        """What a program was asked, without its name."""
        file = self.state / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.removeprefix(f"{program} ") for line in lines if line.startswith(f"{program} ")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.commit("1.0.0")
    return made


def test_the_images_bear_the_version_and_the_commit(machine: Machine) -> None:
    commit = machine.git("rev-parse", "HEAD")
    done = machine.run(machine.origin / "deploy" / "build.sh")
    assert (done.returncode, done.stderr) == (0, "")
    labels = f"--label org.opencontainers.image.version=1.0.0 --label org.opencontainers.image.revision={commit}"
    assert machine.calls("docker") == [
        f"build --tag latchkey:1.0.0 {labels} .",
        f"build --tag latchkey-nginx:1.0.0 {labels} nginx",
    ]
    assert done.stdout == "latchkey:1.0.0\nlatchkey-nginx:1.0.0\n"


def test_the_images_are_pushed_where_a_registry_is_named(machine: Machine) -> None:
    done = machine.run(machine.origin / "deploy" / "build.sh", "--push", "registry.example.com/accounts/")
    assert done.returncode == 0
    assert [call for call in machine.calls("docker") if call.startswith("push")] == [
        "push registry.example.com/accounts/latchkey:1.0.0",
        "push registry.example.com/accounts/latchkey-nginx:1.0.0",
    ]


def test_uncommitted_changes_are_reported(machine: Machine) -> None:
    commit = machine.git("rev-parse", "HEAD")
    (machine.origin / "new").touch()
    machine.run(machine.origin / "deploy" / "build.sh")
    assert all(f"image.revision={commit}-dirty " in call for call in machine.calls("docker"))


@pytest.mark.parametrize("arguments", [["--push"], ["--pull", "x"], ["registry.example.com"]])
def test_any_other_argument_is_answered_with_the_usage(machine: Machine, arguments: list[str]) -> None:
    done = machine.run(machine.origin / "deploy" / "build.sh", *arguments)
    assert (done.returncode, done.stderr) == (1, "Usage: deploy/build.sh [--push REGISTRY]\n")
    assert machine.calls("docker") == []


def test_the_version_of_the_project_is_found() -> None:
    (line,) = [line for line in (ROOT / VERSION).read_text().splitlines() if line.startswith("__version__")]
    assert line == f'__version__ = "{__version__}"'


def test_a_bare_server_gets_docker_the_project_and_a_unit(machine: Machine) -> None:
    done = machine.first_boot(OVERLAYS="postgres full")
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.calls("apt-get")[-1] == (
        "install -y -q --no-install-recommends ca-certificates git docker.io docker-cli docker-buildx docker-compose"
    )
    assert '__version__ = "1.0.0"' in (machine.folder / VERSION).read_text()
    assert (machine.folder / ".env").read_text() == "PUBLIC_URL=https://auth.example.com\n"
    assert stat.S_IMODE((machine.folder / ".env").stat().st_mode) == 0o600
    unit = (machine.units / "latchkey.service").read_text()
    assert f"\nExecStart={machine.folder}/start.sh postgres full\n" in unit
    assert "\nRequires=docker.service\n" in unit
    assert "\nWantedBy=multi-user.target\n" in unit
    assert machine.calls("systemctl") == [
        "daemon-reload", "enable docker.service latchkey.service", "restart latchkey.service",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("packages", "installed"),
    [
        ("docker.io docker-compose", "docker.io docker-compose"),
        ("docker.io docker-buildx docker-compose docker-compose-v2", "docker.io docker-buildx docker-compose-v2"),
    ],
    ids=["Debian 12", "Ubuntu 24.04"],
)
def test_docker_is_that_of_the_distribution(machine: Machine, packages: str, installed: str) -> None:
    assert machine.first_boot(PACKAGES=packages).returncode == 0
    assert machine.calls("apt-get")[-1].endswith(f" ca-certificates git {installed}")


def test_it_may_be_run_again_and_brings_the_server_to_the_revision(machine: Machine) -> None:
    assert machine.first_boot().returncode == 0
    (machine.folder / ".env").write_text("PUBLIC_URL=https://changed.example.com\nSECRET_KEY=kept\n")
    machine.commit("1.1.0")
    for _ in range(2):
        done = machine.first_boot(REVISION="v1.1.0")
        assert (done.returncode, done.stderr) == (0, "")
    assert '__version__ = "1.1.0"' in (machine.folder / VERSION).read_text()
    assert (machine.folder / ".env").read_text() == "PUBLIC_URL=https://changed.example.com\nSECRET_KEY=kept\n"


@pytest.mark.parametrize("name", ["REPOSITORY", "REVISION", "PUBLIC_URL"])
def test_missing_settings_are_reported_before_anything_is_done(machine: Machine, name: str) -> None:
    done = machine.first_boot(**{name: ""})
    assert (done.returncode, done.stderr) == (1, f"{name} is not set: set it at the top of this file.\n")
    assert machine.calls("apt-get") == []


def test_a_revision_that_does_not_exist_starts_nothing(machine: Machine) -> None:
    assert machine.first_boot(REVISION="v9.9.9").returncode != 0
    assert machine.calls("systemctl") == []
