"""Docker Compose, in either of its generations, on the stack that ships."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.servers.process import program

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yaml"
OVERLAYS = ROOT / "deploy" / "compose"


def missing() -> str | None:
    """What to install for the tests that ask Compose; None when it is there."""
    return None if _command() else "Docker Compose is missing: apt-get install docker-compose"


def no_engine() -> str | None:
    """Why nothing can be brought up here; None when an engine answers."""
    if program("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        return None
    return "no Docker engine answers: the stack is not brought up"


def written() -> dict[str, Any]:
    """The file as it is written."""
    content: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return content


def resolved(environment: Mapping[str, str], overlays: Sequence[str] = ()) -> dict[str, Any]:
    """The file, under these overlays, as Compose understands it, where .env holds this.

    Compose refuses what it does not understand.
    """
    content: dict[str, Any] = yaml.safe_load(_run(["config"], environment, overlays))
    return content


def log(container: str) -> str:
    """The output of a container."""
    done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def obtainable(image: str) -> bool:
    """Whether the engine has an image, or gets it."""
    return any(
        subprocess.run(["docker", *command, image], capture_output=True, check=False).returncode == 0
        for command in (["image", "inspect"], ["pull", "--quiet"])
    )


def mongo_is_a_stand_in() -> bool:
    """Whether the engine has no MongoDB but what is tagged as a stand-in for it, beside the name of the image."""
    asked = ["docker", "image", "inspect", "--format", "{{.RepoTags}}", written()["services"]["mongo"]["image"]]
    return "lab/mongo" in subprocess.run(asked, capture_output=True, text=True, check=False).stdout


class Stack:
    """The stack, brought up under a name of its own."""

    def __init__(self, name: str, environment: Mapping[str, str], overlays: Sequence[str] = ()) -> None:
        self.name = name
        self._environment = environment
        self._overlays = overlays

    def run(self, *arguments: str) -> str:
        """Run Compose with these arguments; what it wrote to its standard output."""
        return _run(["--project-name", self.name, *arguments], self._environment, self._overlays)

    def execute(self, service: str, *command: str) -> str:
        """Run a command in the container of a service; CalledProcessError if it ends with another status than 0."""
        return self.run("exec", "-T", service, *command)

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of the container of a service."""
        (found,) = self.containers(service)
        return found

    def containers(self, service: str) -> list[dict[str, Any]]:
        """What the engine knows of each container of a service."""
        identifiers = self.run("ps", "--all", "--quiet", service).split()
        if not identifiers:
            return []
        done = subprocess.run(["docker", "inspect", *identifiers], capture_output=True, text=True, check=True)
        return list(json.loads(done.stdout))


@contextmanager
def stack(
    name: str, environment: Mapping[str, str], overlays: Sequence[str] = (), services: Sequence[str] = ()
) -> Iterator[Stack]:
    """Build the stack and bring these services of it (all, if none is named) up with this in .env.

    At the end nothing of it is left, its volumes neither.
    """
    if mongo_is_a_stand_in():
        overlays = (*overlays, str(_STAND_IN.with_suffix("")))
        environment = _FOR_STAND_IN | dict(environment)
    opened = Stack(name, environment, overlays)
    try:
        opened.run("up", "--build", "--detach", *services)
        yield opened
    finally:
        opened.run("down", "--volumes", "--rmi", "local", "--timeout", "10")


_STAND_IN = Path(__file__).with_name("stand_in.yaml")
_FOR_STAND_IN = {
    "MONGO_INITDB_ROOT_USERNAME": "latchkey_app",
    "MONGO_INITDB_ROOT_PASSWORD": "a-password-of-the-tests",
    "MONGO_APP_PASSWORD": "a-password-of-the-tests",
}
"""With these the one user that a stand-in knows is the service's."""


def _run(arguments: list[str], environment: Mapping[str, str], overlays: Sequence[str] = ()) -> str:
    command = _command()
    if command is None:
        raise FileNotFoundError(missing())
    files = [FILE, *(OVERLAYS / f"{name}.yaml" for name in overlays)]
    inherited = {name: os.environ[name] for name in os.environ if name in {"PATH", "HOME"} or name.startswith("DOCKER")}
    with tempfile.NamedTemporaryFile("w", suffix=".env") as dotenv:
        dotenv.writelines(f"{name}={value}\n" for name, value in environment.items())
        dotenv.flush()
        done = subprocess.run(
            [*command, *(f"--file={file}" for file in files), "--env-file", dotenv.name, *arguments],
            env=inherited,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@cache
def _command() -> tuple[str, ...] | None:
    docker, standalone = program("docker"), program("docker-compose")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return docker, "compose"
    return (standalone,) if standalone else None
