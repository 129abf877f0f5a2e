"""deploy/pin.sh: which images it asks the registry about, and what it writes; a docker that knows digests stands in."""

import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.compose import ROOT

FILES = [
    "Dockerfile", "nginx/Dockerfile", "docker-compose.yaml", "deploy/swarm/stack.yaml", "deploy/pin.sh",
    *(f"deploy/compose/{file.name}" for file in (ROOT / "deploy/compose").glob("*.yaml")),
]  # fmt: skip
FAKE = """\
#!/bin/sh
[ "$1 $2 $3 $4" = "buildx imagetools inspect --format" ] || exit 2
[ "$6" != "$AWAY" ] || { echo "no such host" >&2; exit 1; }
echo "sha256:$(printf '%s' "$6$TURN" | sha256sum | cut -d ' ' -f 1)"
"""
IMAGE = re.compile(r"^ *(?:FROM|image:) +([a-z0-9_./-]+:[\w.-]+)(@sha256:[0-9a-f]{64})?", re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the files that name images."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(FAKE)
    docker.chmod(0o755)
    return tmp_path


def pin(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project / "deploy/pin.sh"], env={"PATH": f"{project}/bin:/usr/bin:/bin", **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def texts(project: Path) -> dict[str, str]:
    return {name: (project / name).read_text() for name in FILES}


def test_every_image_of_others_is_pinned_to_its_digest_and_nothing_else_changes(project: Path) -> None:
    before = texts(project)
    for turn in ("", "newer"):
        done = pin(project, TURN=turn)
        assert (done.returncode, done.stderr) == (0, "")
        after = texts(project)
        found = [image for text in after.values() for image in IMAGE.findall(text)]
        assert {name for name, _ in found} >= {"python:3.13-slim", "nginx:1.28-alpine", "mongo:8", "mongo:8.0"}
        for name, digest in found:
            assert digest == f"@sha256:{sha256((name + turn).encode()).hexdigest()}", name
        assert {name: re.sub("@sha256:[0-9a-f]{64}", "", text) for name, text in after.items()} == {
            name: re.sub("@sha256:[0-9a-f]{64}", "", text) for name, text in before.items()
        }


def test_a_registry_that_is_away_changes_nothing(project: Path) -> None:
    before = texts(project)
    assert pin(project, AWAY="redis:8-alpine").returncode == 1
    assert texts(project) == before
