"""The stack of deploy/swarm is what Compose takes, fits together, and fits the service."""

import hashlib
import ipaddress
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import __version__
from app.config import load
from app.config.section import is_secret
from app.config.settings import definitions
from app.config.sources import file_name
from tests.e2e import compose
from tests.e2e.compose import ROOT
from tests.servers.fixtures import require
from tests.servers.process import program

FOLDER = ROOT / "deploy/swarm"
FIELDS = {name: field for fields in definitions().values() for name, field in fields.items()}
TWINS = {file_name(name): name for name, field in FIELDS.items() if is_secret(field)}
SERVICES = ("app", "nginx", "mongo")
NOT_ON_SWARM = {
    "build", "container_name", "cpus", "depends_on", "devices", "links", "mem_limit", "network_mode", "pids_limit",
    "restart", "security_opt", "tmpfs",
}  # fmt: skip
"""What `docker stack deploy` ignores."""

each_service = pytest.mark.parametrize("name", SERVICES)


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    """The file as it is written."""
    content: dict[str, Any] = yaml.safe_load((FOLDER / "stack.yaml").read_text())
    return content


@pytest.fixture(scope="module")
def rotating(stack: dict[str, Any]) -> dict[str, Any]:
    """What is added while SECRET_KEY is changed."""
    content: dict[str, Any] = yaml.safe_load((FOLDER / "rotation.yaml").read_text())
    assert content["services"].keys() <= stack["services"].keys()
    return content


@pytest.mark.parametrize("files", [("stack.yaml",), ("stack.yaml", "rotation.yaml")])
def test_compose_takes_the_files(files: tuple[str, ...], tmp_path: Path) -> None:
    require(compose.missing())
    content = resolved(files, tmp_path)
    assert set(content["services"]) == set(SERVICES)
    app = content["services"]["app"]["environment"]
    assert ("SECRET_KEY_FALLBACKS_FILE" in app) is ("rotation.yaml" in files)
    assert app["PUBLIC_URL"].startswith("https://")


@each_service
def test_a_service_uses_nothing_that_swarm_ignores(stack: dict[str, Any], name: str) -> None:
    assert not stack["services"][name].keys() & NOT_ON_SWARM


@each_service
def test_every_image_is_pinned_and_ours_are_of_this_version(stack: dict[str, Any], name: str) -> None:
    repository, _, tag = stack["services"][name]["image"].partition("@sha256:")[0].rpartition(":")
    assert re.fullmatch(r"\d[\w.-]*", tag)
    if "REGISTRY" in repository:
        assert tag == __version__


@each_service
def test_a_service_has_no_more_rights_than_it_needs(stack: dict[str, Any], name: str) -> None:
    service = stack["services"][name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


@each_service
def test_a_service_is_limited_and_watched(stack: dict[str, Any], name: str) -> None:
    service = stack["services"][name]
    resources = service["deploy"]["resources"]
    assert resources["limits"].keys() == {"cpus", "memory", "pids"}
    assert resources["reservations"].keys() == {"cpus", "memory"}
    assert "logging" in service
    dockerfile = {"app": "Dockerfile", "nginx": "nginx/Dockerfile"}.get(name)
    watched = "HEALTHCHECK" in (ROOT / dockerfile).read_text() if dockerfile else "test" in service["healthcheck"]
    assert watched


@each_service
def test_an_update_replaces_one_after_the_other_and_rolls_back_when_it_fails(stack: dict[str, Any], name: str) -> None:
    deploy = stack["services"][name]["deploy"]
    assert deploy["update_config"].items() >= {"parallelism": 1, "failure_action": "rollback"}.items()
    assert deploy["rollback_config"].items() >= {"parallelism": 1, "failure_action": "pause"}.items()
    # A service with a port or a file of its own cannot run twice.
    first = "start-first" if name == "app" else "stop-first"
    assert deploy["update_config"]["order"] == deploy["rollback_config"]["order"] == first


def test_whatever_can_run_several_times_does(stack: dict[str, Any]) -> None:
    services = stack["services"]
    assert {name: services[name]["deploy"]["replicas"] for name in SERVICES} == {"app": 3, "nginx": 2, "mongo": 1}
    assert services["mongo"]["deploy"]["placement"] == {"constraints": ["node.labels.latchkey.store == true"]}
    assert services["app"]["deploy"]["endpoint_mode"] == "dnsrr"


def test_only_nginx_is_reachable_and_sees_the_address_of_the_client(stack: dict[str, Any]) -> None:
    assert [name for name in SERVICES if "ports" in stack["services"][name]] == ["nginx"]
    assert {(port["published"], port["mode"]) for port in stack["services"]["nginx"]["ports"]} == {
        (80, "host"), (443, "host"),
    }  # fmt: skip


def test_the_service_trusts_only_the_encrypted_network_that_it_shares_with_nginx(stack: dict[str, Any]) -> None:
    networks = {name: stack["services"][name]["networks"] for name in SERVICES}
    assert networks == {"app": ["edge", "stores"], "nginx": ["edge"], "mongo": ["stores"]}
    edge, stores = stack["networks"]["edge"], stack["networks"]["stores"]
    trusted = stack["services"]["app"]["environment"]["TRUSTED_PROXIES"]
    assert edge["ipam"]["config"] == [{"subnet": trusted}]
    assert ipaddress.ip_network(trusted).num_addresses <= 256
    assert edge["driver_opts"] == stores["driver_opts"] == {"encrypted": ""}
    assert stores["internal"] is True


def test_every_secret_is_external_and_used(stack: dict[str, Any], rotating: dict[str, Any]) -> None:
    declared = stack["secrets"] | rotating["secrets"]
    services = [*stack["services"].values(), *rotating["services"].values()]
    read = [secret for service in services for secret in service.get("secrets", [])]
    assert {secret["source"] for secret in read} == declared.keys()
    assert all(secret["mode"] == 0o400 for secret in read)
    for name, secret in declared.items():
        assert secret["external"] is True
        # Docker changes no secret in place: its name has a number.
        assert re.fullmatch(rf"latchkey_{name}_\$\{{([A-Z]+_)+NUMBER:-1\}}", secret["name"])


def test_each_reader_of_a_secret_owns_its_copy(stack: dict[str, Any], rotating: dict[str, Any]) -> None:
    users = {"mongo": "999", "app": user_of("Dockerfile"), "nginx": user_of("nginx/Dockerfile")}
    assert stack["services"]["mongo"]["user"] == "999:999"
    for content in (stack, rotating):
        for name, service in content["services"].items():
            for secret in service["secrets"]:
                assert secret["uid"] == secret["gid"] == users[name]


def test_no_secret_is_in_an_environment(stack: dict[str, Any], rotating: dict[str, Any]) -> None:
    mounted = {name: {secret["source"] for secret in stack["services"][name]["secrets"]} for name in SERVICES}
    mounted["app"] |= {secret["source"] for secret in rotating["services"]["app"]["secrets"]}
    for content in (stack, rotating):
        for name, service in content["services"].items():
            for variable, value in service.get("environment", {}).items():
                assert variable not in TWINS.values()
                if variable.endswith("_FILE"):
                    assert str(value).removeprefix("/run/secrets/") in mounted[name]
                    assert variable in TWINS or name != "app"
    for variable in plain():
        assert variable in FIELDS.keys() - TWINS.values()


def test_the_settings_are_those_that_the_service_takes(stack: dict[str, Any]) -> None:
    written = stack["services"]["app"]["environment"]
    given = {name: value for name, value in written.items() if name in FIELDS} | plain()
    secret = {"SECRET_KEY": hashlib.sha256(b"a secret").hexdigest(), "MONGO_URI": "mongodb://mongo/latchkey"}
    settings = load(given | secret, None)
    assert settings.profile == "production"
    cores = float(stack["services"]["app"]["deploy"]["resources"]["limits"]["cpus"])
    assert settings.server.web_concurrency * settings.passwords.hash_threads <= cores


def test_the_name_of_a_config_changes_with_its_file(stack: dict[str, Any]) -> None:
    read = {config["source"] for service in stack["services"].values() for config in service.get("configs", [])}
    assert read == stack["configs"].keys()
    for name, config in stack["configs"].items():
        content = (FOLDER / config["file"]).read_bytes()
        assert config["name"] == f"latchkey_{name}_{hashlib.sha256(content).hexdigest()[:8]}", "give it this name"


def test_nginx_finds_its_certificate_where_its_configuration_says(stack: dict[str, Any]) -> None:
    nginx = stack["services"]["nginx"]
    (listening,) = nginx["configs"]
    assert listening["target"] == "/etc/nginx/listen.conf"
    written = (FOLDER / stack["configs"][listening["source"]]["file"]).read_text()
    named = re.findall(r"^\s*ssl_certificate(?:_key)? ([\w./]+);$", written, re.MULTILINE)
    assert [secret["target"] for secret in nginx["secrets"]] == [f"/etc/nginx/{file}" for file in named]


def test_a_stop_waits_for_the_requests_under_way(stack: dict[str, Any]) -> None:
    (graceful,) = re.findall(r"^graceful_timeout = (\d+)", (ROOT / "gunicorn.conf.py").read_text(), re.MULTILINE)
    for name in ("app", "nginx"):
        assert int(stack["services"][name]["stop_grace_period"].removesuffix("s")) > int(graceful)


def resolved(files: Sequence[str], folder: Path) -> dict[str, Any]:
    """The files as Compose understands them; it refuses what it does not understand."""
    docker = program("docker")
    new = docker and subprocess.run([docker, "compose", "version"], check=False).returncode == 0
    copy = folder / "deploy/swarm"
    shutil.copytree(FOLDER, copy)
    shutil.copytree(ROOT / "nginx", folder / "nginx")
    if not new:  # Compose 1.29 does not know this limit; docker stack and later versions do
        (copy / "stack.yaml").write_text(re.sub(r", pids: \d+", "", (copy / "stack.yaml").read_text()))
    compose = ["docker", "compose"] if new else ["docker-compose"]
    done = subprocess.run(
        [*compose, *(f"--file={copy / name}" for name in files), "config"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "REGISTRY": "registry.example.com"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = yaml.safe_load(done.stdout)
    return content


def user_of(dockerfile: str) -> str:
    """The number of the user that an image runs as."""
    return str(re.findall(r"^USER (\d+)", (ROOT / dockerfile).read_text(), re.MULTILINE)[-1])


def plain() -> dict[str, str]:
    """The settings in latchkey.env."""
    lines = (FOLDER / "latchkey.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
