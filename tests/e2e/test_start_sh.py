"""start.sh: what it asks of Docker, seen by a fake docker that records its calls; start.bat does the same."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.config import load
from tests.e2e import compose
from tests.e2e.compose import OVERLAYS, ROOT
from tests.servers.process import free_port

PASSWORD = "Xw8-planted-password-of-the-database"
FAKE = """\
#!/bin/sh
printf '%s\\n' "$*" >> "$STATE/calls"
case "$*" in
  info) exit "$(cat "$STATE/engine")" ;;
  "compose version") exit "$(cat "$STATE/plugin")" ;;
  *" up "*) exit "$(cat "$STATE/up")" ;;
  *" ps --all --quiet") echo app nginx secrets ;;
  inspect*) { IFS= read -r line; cat > "$STATE/rest"; } < "$STATE/states"
    if [ -s "$STATE/rest" ]; then cp "$STATE/rest" "$STATE/states"; fi
    echo "$line" | tr , '\\n' ;;
  *" config") cat "$STATE/config" ;;
  *" port prometheus 9090") echo 127.0.0.1:9090 ;;
esac
"""
"""Answers as docker does; each line of `states` is what one look at all containers finds."""
WELL = "running 0 healthy,running 0 healthy,exited 0 "
CONFIG = f"""\
services:
  app:
    environment:
      ISSUER_PUBLIC_URL: wrong
      PUBLIC_URL: https://auth.example.com
  secrets:
    environment:
      MONGO_INITDB_ROOT_PASSWORD: {PASSWORD}
"""
GRAFANA = """\
  grafana:
    environment:
      GF_SERVER_ROOT_URL: http://localhost:3000
"""


class Machine:
    """A copy of what start.sh looks at, and a docker that records its calls."""

    def __init__(self, folder: Path) -> None:
        self.project, self.programs, self.state = folder / "project", folder / "programs", folder / "state"
        for made in (self.project, self.programs, self.state):
            made.mkdir()
        shutil.copy(ROOT / "start.sh", self.project)
        shutil.copytree(OVERLAYS, self.project / "deploy" / "compose")
        for name in ("bash", "cat", "cp", "dirname", "grep", "head", "sed", "sleep", "tr"):
            (self.programs / name).symlink_to(str(shutil.which(name)))
        self.install("docker")
        for name, text in {"engine": "0", "plugin": "0", "up": "0", "states": WELL, "config": CONFIG}.items():
            self.put(name, text)

    def install(self, name: str) -> None:
        """Install the program, recording."""
        (self.programs / name).write_text(FAKE.replace("$*", f"{name} $*") if name != "docker" else FAKE)
        (self.programs / name).chmod(0o755)

    def put(self, name: str, text: str) -> None:
        """Decide how docker answers."""
        (self.state / name).write_text(text + "\n")

    def start(self, *arguments: str, seconds: int = 20) -> subprocess.CompletedProcess[str]:
        """Run start.sh from another folder."""
        return subprocess.run(
            [self.project / "start.sh", *arguments],
            env={"PATH": str(self.programs), "STATE": str(self.state), "START_SECONDS": str(seconds)},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What docker was asked."""
        file = self.state / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_stack_is_started_and_its_addresses_are_printed(machine: Machine) -> None:
    done = machine.start()
    assert (done.returncode, done.stderr) == (0, "")
    assert "compose up --build --detach --remove-orphans" in machine.calls()
    assert "  API         https://auth.example.com\n" in done.stdout
    assert "  Swagger     https://auth.example.com/swagger/\n" in done.stdout
    assert "  docker compose exec app flask users create --role admin --email admin@example.com\n" in done.stdout
    assert "Grafana" not in done.stdout


@pytest.mark.parametrize(
    ("published", "url"),
    [
        ("80", "http://localhost"),
        ("8080", "http://localhost:8080"),
        ("127.0.0.1:8080", "http://localhost:8080"),
        ("'[::1]:80'", "http://localhost"),
    ],
)
def test_where_no_address_is_set_the_guessed_one_is_printed(machine: Machine, published: str, url: str) -> None:
    guessed = f" PUBLIC_URL: ''\n      PUBLISHED_PORT: {published}"
    machine.put("config", CONFIG.replace(" PUBLIC_URL: https://auth.example.com", guessed))
    assert f"  API         {url}\n" in machine.start().stdout
    assert load({"FLASK_ENV": "testing", "PUBLISHED_PORT": published.strip("'")}, None).server.public_url == url


def test_overlays_are_added_in_their_order(machine: Machine) -> None:
    machine.put("config", CONFIG + GRAFANA)
    done = machine.start("postgres", "full")
    assert done.returncode == 0
    command = "compose -f docker-compose.yaml -f deploy/compose/postgres.yaml -f deploy/compose/full.yaml"
    assert f"{command} up --build --detach --remove-orphans" in machine.calls()
    assert "  Prometheus  http://127.0.0.1:9090\n" in done.stdout
    assert "  Grafana     http://localhost:3000, as admin; the password:\n" in done.stdout
    assert f"docker {command} exec grafana cat /run/secrets/password\n" in done.stdout


def test_an_override_of_the_operator_goes_last(machine: Machine) -> None:
    (machine.project / "docker-compose.override.yaml").touch()
    machine.start()
    machine.start("basic")
    first, second = (call for call in machine.calls() if " up " in call)
    assert "-f" not in first.split()
    assert second.startswith(
        "compose -f docker-compose.yaml -f deploy/compose/basic.yaml -f docker-compose.override.yaml up"
    )


def test_an_overlay_that_does_not_exist_is_refused_before_anything_is_done(machine: Machine) -> None:
    done = machine.start("fulll")
    assert done.returncode == 1
    assert done.stderr == "There is no overlay fulll: use one of basic full monitoring mysql nginx postgres.\n"
    assert not any(" up " in call for call in machine.calls())


def test_the_older_compose_is_used_where_there_is_no_plugin(machine: Machine) -> None:
    machine.put("plugin", "1")
    machine.install("docker-compose")
    assert machine.start().returncode == 0
    assert "docker-compose up --build --detach --remove-orphans" in machine.calls()


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        ("docker", "Docker is missing: install Docker Engine or Docker Desktop, with Compose.\n"),
        (
            "plugin",
            "Docker Compose is missing: install docker-compose-v2, docker-compose-plugin or docker-compose.\n",
        ),
        ("engine", "Docker does not answer: start it (systemctl start docker), and allow this user to use it"),
    ],
)
def test_what_is_missing_is_reported_in_one_line(machine: Machine, missing: str, line: str) -> None:
    if missing == "docker":
        (machine.programs / "docker").unlink()
    else:
        machine.put(missing, "1")
    done = machine.start()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(line)


def test_it_waits_until_every_container_is_healthy(machine: Machine) -> None:
    machine.put("states", f"running 0 starting,running 0 healthy,exited 0 \nrestarting 1 ,running 0 \n{WELL}")
    assert machine.start().returncode == 0
    assert sum(call.startswith("inspect") for call in machine.calls()) == 3


@pytest.mark.parametrize("state", ["running 0 unhealthy", "running 0 starting", "exited 1 ", "created 0 "])
def test_a_container_that_does_not_become_healthy_ends_it_with_one_line(machine: Machine, state: str) -> None:
    machine.put("states", f"{WELL},{state}")
    done = machine.start(seconds=0)
    assert done.returncode == 1
    line = "Not everything became healthy within 0 seconds. Read first: docker compose logs --tail=50 secrets app;"
    assert line in done.stderr
    assert "Latchkey runs" not in done.stdout


def test_a_stack_that_does_not_come_up_ends_it(machine: Machine) -> None:
    machine.put("up", "17")
    done = machine.start()
    assert done.returncode == 17
    assert "The stack did not start. Read first: docker compose logs --tail=50 secrets app;" in done.stderr
    assert "Latchkey runs" not in done.stdout


def test_it_may_be_run_again(machine: Machine) -> None:
    first, second = machine.start("full"), machine.start("full")
    assert (first.returncode, first.stdout) == (second.returncode, second.stdout)


def test_no_secret_is_printed(machine: Machine) -> None:
    done = machine.start()
    assert PASSWORD not in done.stdout + done.stderr


def test_help_is_printed_without_docker(machine: Machine) -> None:
    (machine.programs / "docker").unlink()
    done = machine.start("--help")
    assert done.returncode == 0
    assert "basic full monitoring mysql nginx postgres" in done.stdout


def test_both_scripts_ask_the_same_of_docker() -> None:
    content = (ROOT / "start.bat").read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")
    windows, unix = content.decode("ascii"), (ROOT / "start.sh").read_text()
    for asked in (
        "up --build --detach --remove-orphans", "config", "port prometheus 9090", "exec grafana cat",
        "logs --tail=50 secrets app", "PUBLISHED_PORT",
        "exec app flask users create --role admin --email admin@example.com", "docker-compose.override.yaml",
    ):  # fmt: skip
        assert asked in windows, asked
        assert asked in unix, asked
    assert "*.bat text eol=crlf" in (ROOT / ".gitattributes").read_text()
    labels = set(re.findall(r"^:(\w+)", windows, re.MULTILINE))
    assert set(re.findall(r"goto (\w+)", windows)) <= labels


@pytest.fixture
def started() -> Iterator[tuple[str, str]]:
    """The smallest stack, brought up by start.sh: what it said, and the address of the service."""
    if reason := compose.no_engine():
        pytest.skip(reason)
    base_url = f"http://localhost:{free_port()}"
    network = f"10.231.{secrets.randbelow(64)}.{16 * secrets.randbelow(16)}/28"
    settings = {
        "COMPOSE_PROJECT_NAME": f"latchkey-test-{secrets.token_hex(4)}", "HTTP_PORT": base_url.rpartition(":")[2],
        "PUBLIC_URL": base_url, "COMPOSE_EDGE_NETWORK": network,
    }  # fmt: skip
    environment = {**os.environ, **settings}
    try:
        for _ in range(2):
            done = subprocess.run(
                [ROOT / "start.sh", "nginx"], env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr[-4000:]
        yield done.stdout, base_url
    finally:
        opened = compose.Stack(settings["COMPOSE_PROJECT_NAME"], settings, ["nginx"])
        opened.run("down", "--volumes", "--rmi", "local", "--timeout", "10")


@pytest.mark.timeout(900)
def test_it_brings_a_real_stack_up_and_again(started: tuple[str, str]) -> None:
    said, base_url = started
    assert f"  API         {base_url}\n" in said
    assert httpx.get(f"{base_url}/health/ready").status_code == 200
