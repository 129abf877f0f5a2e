"""The stack of docker-compose.yaml: what is written, and, where there is an engine, what comes up."""

import ipaddress
import re
import secrets
import shlex
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.config.section import is_secret
from app.config.settings import definitions
from tests.e2e import compose
from tests.e2e.compose import ROOT, Stack, resolved, stack, written
from tests.e2e.settings import PASSWORD, new_secret
from tests.servers.fixtures import require
from tests.servers.process import free_port, wait_until

SERVICES = ("secrets", "mongo-user", "app", "nginx", "mongo", "redis")
LONG_RUNNING = SERVICES[2:]
BUILT = {"secrets": "Dockerfile", "app": "Dockerfile", "nginx": "nginx/Dockerfile"}
FIXED = {"FLASK_ENV", "HOST", "PORT", "DATABASE_URL", "LOG_FILE", "MAIL_DIR"}
"""Settings that say where a service runs outside of the stack; nothing of .env reaches the service for them."""


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = written()["services"]
    return found


@pytest.fixture
def _compose() -> None:
    require(compose.missing())


def instructions(dockerfile: str, name: str) -> list[str]:
    """The arguments of an instruction, in its order in a Dockerfile."""
    return re.findall(rf"^{name} +(.+)$", (ROOT / dockerfile).read_text(), re.MULTILINE)


def test_the_stack_is_the_service_with_its_stores_behind_nginx(services: dict[str, Any]) -> None:
    assert set(services) == set(SERVICES)


@pytest.mark.usefixtures("_compose")
def test_compose_takes_the_file_without_any_setting() -> None:
    assert set(resolved({})["services"]) == set(SERVICES)


def test_only_nginx_is_reachable_from_outside(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "ports" in service} == {"nginx"}
    assert services["nginx"]["ports"] == ["${HTTP_PORT:-80}:80"]
    assert not any("network_mode" in services[name] for name in LONG_RUNNING)


def test_only_the_service_can_reach_the_stores(services: dict[str, Any]) -> None:
    assert written()["networks"]["stores"] == {"internal": True}
    assert {name: services[name]["networks"] for name in LONG_RUNNING} == {
        "app": ["edge", "stores"], "nginx": ["edge"], "mongo": ["stores"], "redis": ["stores"],
    }  # fmt: skip
    assert services["secrets"]["network_mode"] == "none"


def test_every_image_is_pinned_to_a_version(services: dict[str, Any]) -> None:
    images = [service["image"] for service in services.values() if "image" in service]
    images += [line.split()[0] for file in set(BUILT.values()) for line in instructions(file, "FROM")]
    assert len(images) == 6
    assert all(re.fullmatch(r"[a-z]+:\d[\w.-]*(@sha256:[0-9a-f]{64})?", image) for image in images), images


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) == (["CHOWN", "DAC_OVERRIDE"] if name == "secrets" else [])
    assert "privileged" not in service
    user, _, _ = str(service.get("user") or instructions(BUILT[name], "USER")[-1]).partition(":")
    assert (user in {"0", "root"}) is (name == "secrets")


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_a_service_has_limits_a_health_check_and_a_restart_policy(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert {"mem_limit", "pids_limit", "logging"} <= service.keys()
    assert service["restart"] == "unless-stopped"
    assert "healthcheck" in service or "HEALTHCHECK" in (ROOT / BUILT[name]).read_text()


def test_a_service_starts_when_what_it_needs_is_healthy(services: dict[str, Any]) -> None:
    made, well = {"condition": "service_completed_successfully"}, {"condition": "service_healthy"}
    assert {name: service.get("depends_on", {}) for name, service in services.items()} == {
        "secrets": {}, "redis": {}, "mongo": {"secrets": made}, "mongo-user": {"mongo": well}, "nginx": {"app": well},
        "app": {"secrets": made, "mongo-user": made, "mongo": well, "redis": well},
    }  # fmt: skip


def test_no_secret_is_written_into_the_file(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search("SECRET|PASSWORD$|PASSWORD_FILE|URI", name):
                assert re.fullmatch(rf"\$\{{{name}:-\}}|/run/secrets/\w+", value), name


def test_only_the_service_that_makes_the_secrets_writes_them(services: dict[str, Any]) -> None:
    mounts = {name: [v for v in service.get("volumes", []) if "-secrets:" in v] for name, service in services.items()}
    assert mounts == {
        "secrets": ["app-secrets:/secrets/app", "mongo-secrets:/secrets/mongo"],
        "app": ["app-secrets:/run/secrets:ro"],
        "mongo": ["mongo-secrets:/run/secrets:ro"],
        "mongo-user": ["mongo-secrets:/run/secrets:ro"],
        "nginx": [],
        "redis": [],
    }


def test_every_setting_can_be_set_in_env_or_is_one_of_the_stack(services: dict[str, Any]) -> None:
    environment = services["app"]["environment"]
    for section in definitions().values():
        for name, field in section.items():
            if name in FIXED:
                assert name not in environment
            elif is_secret(field):
                assert name in environment or f"{name}_FILE" in environment
            else:
                assert environment[name].startswith(f"${{{name}:-") or name in {"TRUSTED_PROXIES", "PUBLISHED_PORT"}


@pytest.mark.usefixtures("_compose")
def test_what_env_holds_is_honoured() -> None:
    given = {
        "SECRET_KEY": new_secret(),
        "MONGO_INITDB_ROOT_USERNAME": "owner",
        "MONGO_INITDB_ROOT_PASSWORD": "given",
        "MONGO_APP_PASSWORD": "given too",
        "PUBLIC_URL": "https://auth.example.com",
        "WEB_CONCURRENCY": "4",
        "ACCESS_TOKEN_SECONDS": "300",
        "HTTP_PORT": "8080",
        "COMPOSE_EDGE_NETWORK": "10.99.0.0/28",
    }
    content = resolved(given)
    services = content["services"]
    assert "8080" in str(services["nginx"]["ports"])
    assert services["app"]["environment"]["PUBLISHED_PORT"] == "8080"
    assert services["mongo"]["environment"]["MONGO_INITDB_ROOT_USERNAME"] == "owner"
    assert services["mongo-user"]["environment"]["MONGO_INITDB_ROOT_USERNAME"] == "owner"
    for name in ("SECRET_KEY", "MONGO_INITDB_ROOT_PASSWORD", "MONGO_APP_PASSWORD"):
        assert services["secrets"]["environment"][name] == given[name]
    app = services["app"]["environment"]
    assert {name: app[name] for name in ("PUBLIC_URL", "WEB_CONCURRENCY", "ACCESS_TOKEN_SECONDS")} == {
        name: given[name] for name in ("PUBLIC_URL", "WEB_CONCURRENCY", "ACCESS_TOKEN_SECONDS")
    }
    assert app["TRUSTED_PROXIES"] == content["networks"]["edge"]["ipam"]["config"][0]["subnet"] == "10.99.0.0/28"


@pytest.mark.usefixtures("_compose")
def test_secrets_of_env_reach_the_service_as_files_only() -> None:
    given = {"SECRET_KEY": new_secret(), "MONGO_INITDB_ROOT_PASSWORD": "pl4nted", "MONGO_APP_PASSWORD": "pl4nted too"}
    services = resolved(given)["services"]
    for name in SERVICES[1:]:
        assert not any(secret in str(services[name]) for secret in given.values())


@pytest.mark.usefixtures("_compose")
def test_the_service_trusts_the_network_that_it_shares_with_nginx() -> None:
    content = resolved({})
    trusted = content["services"]["app"]["environment"]["TRUSTED_PROXIES"]
    assert content["networks"]["edge"]["ipam"]["config"][0]["subnet"] == trusted
    assert ipaddress.ip_network(trusted).num_addresses <= 16


def test_a_stop_waits_for_the_requests_under_way(services: dict[str, Any]) -> None:
    graceful = int(re.findall(r"^graceful_timeout = (\d+)", (ROOT / "gunicorn.conf.py").read_text(), re.MULTILINE)[0])
    for name in ("app", "nginx"):
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > graceful
    (shutdown,) = re.findall(r"worker_shutdown_timeout (\d+)s;", (ROOT / "nginx/nginx.conf").read_text())
    assert graceful < int(shutdown) < int(services["nginx"]["stop_grace_period"].removesuffix("s"))


def test_nginx_closes_its_idle_connections_before_gunicorn_does() -> None:
    (kept,) = re.findall(r"^keepalive = (\d+)", (ROOT / "gunicorn.conf.py").read_text(), re.MULTILINE)
    assert "  keepalive_timeout 60s;" in (ROOT / "nginx/upstream.conf").read_text()
    assert int(kept) > 60


def test_the_image_is_made_only_of_what_runs() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line.removeprefix("!").rstrip("/") for line in lines if line.startswith("!")}
    copied = {source.rstrip("/") for line in instructions("Dockerfile", "COPY") for source in line.split()[:-1]}
    assert allowed == {source for source in copied if not source.startswith(("--", "/"))}
    assert all((ROOT / name).exists() for name in allowed)


@pytest.fixture(scope="module")
def base_url() -> str:
    """Where the stack that was brought up is reached."""
    return f"http://localhost:{free_port()}"


@pytest.fixture(scope="module")
def running(base_url: str) -> Iterator[Stack]:
    """The stack, brought up."""
    if reason := compose.no_engine():
        pytest.skip(reason)
    # Beside another stack on this machine, it needs a network of its own.
    network = f"10.231.{secrets.randbelow(64)}.{16 * secrets.randbelow(16)}/28"
    settings = {"HTTP_PORT": base_url.rpartition(":")[2], "PUBLIC_URL": base_url, "COMPOSE_EDGE_NETWORK": network}
    with stack(f"latchkey-test-{secrets.token_hex(4)}", settings) as opened:
        wait_until(lambda: answers(base_url), 120)
        yield opened


@pytest.mark.timeout(900)
class TestBroughtUp:
    """Needs a Docker engine, and the images or a way to them."""

    def test_an_account_is_registered_and_used_through_nginx(self, running: Stack, base_url: str) -> None:
        account = {"username": "ann", "password": PASSWORD}
        registered = httpx.post(f"{base_url}/auth/register", json=account)
        assert registered.status_code == 201
        assert registered.headers["Server"] == "nginx"
        token = httpx.post(f"{base_url}/auth/login", json=account).json()["data"]["access_token"]
        me = httpx.get(f"{base_url}/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json()["data"]["user"]["username"] == "ann"
        assert httpx.get(f"{base_url}/health/ready").status_code == 200
        assert '"route":"/auth/me","status":200' in running.run("logs", "app")

    def test_every_service_becomes_healthy(self, running: Stack) -> None:
        def all_are() -> bool:
            return all(running.inspect(name)["State"]["Health"]["Status"] == "healthy" for name in LONG_RUNNING)

        wait_until(all_are, 60)
        assert [running.inspect(name)["State"]["ExitCode"] for name in ("secrets", "mongo-user")] == [0, 0]

    def test_the_service_is_not_root_in_its_database(self, running: Stack) -> None:
        if compose.mongo_is_a_stand_in():
            pytest.skip("the stand-in for MongoDB knows one user")
        ask = (
            "import os, pymongo; uri = open('/run/secrets/mongo_uri').read().strip();"
            "status = pymongo.MongoClient(uri).admin.command('connectionStatus', showPrivileges=False);"
            "print([role['role'] for role in status['authInfo']['authenticatedUserRoles']])"
        )
        assert running.execute("app", "python", "-c", ask).strip() == "['readWrite']"

    @pytest.mark.parametrize(("name", "user"), [("app", "10001"), ("nginx", "101"), ("mongo", "999"), ("redis", "999")])
    def test_a_service_is_nobody_and_writes_nowhere(self, running: Stack, name: str, user: str) -> None:
        assert running.execute(name, "id", "-u").strip() == user
        status = running.execute(name, "cat", "/proc/1/status")
        assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
        mounts = running.execute(name, "cat", "/proc/mounts").splitlines()
        (root,) = [line.split() for line in mounts if line.split()[1] == "/"]
        assert "ro" in root[3].split(",")

    def test_the_image_holds_what_runs_and_nothing_to_build_with(self, running: Stack) -> None:
        assert set(running.execute("app", "ls", "-A", "/srv").split()) == {
            "app",
            "attack",
            "migrations",
            "gunicorn.conf.py",
        }
        look = "import shutil; print([name for name in ('gcc', 'cc', 'make', 'curl') if shutil.which(name)])"
        assert running.execute("app", "python", "-c", look).strip() == "[]"
        assert "__pycache__" in running.execute("app", "ls", "/srv/app")

    def test_secrets_are_for_the_one_that_reads_them(self, running: Stack) -> None:
        assert running.execute(
            "app", "stat", "-c", "%a %u %n", "/run/secrets/secret_key", "/run/secrets/mongo_uri"
        ) == ("600 10001 /run/secrets/secret_key\n600 10001 /run/secrets/mongo_uri\n")
        assert running.execute("mongo", "stat", "-c", "%a %u", "/run/secrets/password") == "600 999\n"

    def test_an_administrator_is_made_in_the_container(self, running: Stack, base_url: str) -> None:
        create = "flask users create --role admin --username boss --password-stdin"
        running.execute("app", "sh", "-c", f"printf %s {shlex.quote(PASSWORD)} | {create}")
        login = httpx.post(f"{base_url}/auth/login", json={"username": "boss", "password": PASSWORD})
        assert login.json()["data"]["user"]["roles"] == ["admin"]

    def test_the_service_sees_the_address_that_nginx_sees(self, running: Stack, base_url: str) -> None:
        made = httpx.get(f"{base_url}/api/ping", headers={"X-Forwarded-For": "203.0.113.9"}).headers["X-Request-ID"]
        (line,) = [line for line in running.run("logs", "app").splitlines() if made in line]
        address = re.search(r'"ip":"([0-9.]+)"', line)
        assert address is not None
        own = running.inspect("nginx")["NetworkSettings"]["Networks"][f"{running.name}_edge"]["IPAddress"]
        assert address[1] not in {own, "203.0.113.9"}

    def test_nginx_finds_a_service_that_was_recreated(self, running: Stack, base_url: str) -> None:
        secret = running.execute("app", "sha256sum", "/run/secrets/secret_key")
        running.run("up", "--detach", "--force-recreate", "--no-deps", "app")
        wait_until(lambda: answers(base_url), 60)
        assert running.execute("app", "sha256sum", "/run/secrets/secret_key") == secret


def answers(base_url: str) -> bool:
    """Whether the service answers through nginx."""
    try:
        return httpx.get(f"{base_url}/health").status_code == 200
    except httpx.TransportError:
        return False
