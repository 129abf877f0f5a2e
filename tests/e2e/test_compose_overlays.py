"""The overlays of deploy/compose: what Compose makes of each, and, where there is an engine, what comes up."""

import ipaddress
import re
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e import compose
from tests.e2e.compose import OVERLAYS, ROOT, Stack, resolved, stack
from tests.e2e.settings import PASSWORD, new_secret
from tests.servers.fixtures import require
from tests.servers.process import free_port, wait_until

MONITORING = {"prometheus": 1, "grafana": 1, "redis_exporter": 1}
RUNS: dict[tuple[str, ...], dict[str, int]] = {
    ("basic",): {"app": 1, "mongo": 1},
    ("nginx",): {"app": 1, "nginx": 1},
    ("postgres",): {"app": 1, "nginx": 1, "redis": 1, "postgres": 1},
    ("mysql",): {"app": 1, "nginx": 1, "redis": 1, "mysql": 1},
    ("monitoring",): {"app": 1, "nginx": 1, "mongo": 1, "redis": 1, **MONITORING},
    ("full",): {"app": 3, "nginx": 1, "mongo": 1, "redis": 1, **MONITORING},
    ("postgres", "basic"): {"app": 1, "postgres": 1},
    ("mysql", "basic"): {"app": 1, "mysql": 1},
    ("postgres", "monitoring"): {"app": 1, "nginx": 1, "redis": 1, "postgres": 1, **MONITORING},
    ("mysql", "monitoring"): {"app": 1, "nginx": 1, "redis": 1, "mysql": 1, **MONITORING},
    ("postgres", "full"): {"app": 3, "nginx": 1, "redis": 1, "postgres": 1, **MONITORING},
    ("mysql", "full"): {"app": 3, "nginx": 1, "redis": 1, "mysql": 1, **MONITORING},
}
"""Every combination that makes sense: the services that run, and how many containers of each."""
ONCE = {"secrets", "mongo-user"}
"""What makes secrets, and the service's user in MongoDB, and ends."""
STORES = {"postgres": "DATABASE_URL_FILE", "mysql": "DATABASE_URL_FILE", "nginx": "DATABASE_URL"}
"""How the service finds its store where an overlay changes that."""

Services = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=RUNS, ids="+".join)
def overlays(request: pytest.FixtureRequest) -> tuple[str, ...]:
    require(compose.missing())
    return tuple(request.param)


@pytest.fixture(scope="module")
def content(overlays: tuple[str, ...]) -> dict[str, Any]:
    """What Compose makes of these overlays, without any setting."""
    return resolved({}, overlays)


@pytest.fixture(scope="module")
def running_services(content: dict[str, Any]) -> Services:
    """The services that have containers, those that end included."""
    return {name: service for name, service in content["services"].items() if service.get("scale", 1)}


@pytest.fixture(scope="module")
def lasting(running_services: Services) -> Services:
    """The services that keep running."""
    return {name: service for name, service in running_services.items() if name not in ONCE}


def dockerfile(service: dict[str, Any]) -> str:
    """The text of the Dockerfile that a service is built from; none, if it has an image that is made elsewhere."""
    return (Path(service["build"]["context"]) / "Dockerfile").read_text() if "build" in service else ""


def mounts(service: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Source and target of each mount of a service, and whether it cannot be written; both Composes' way of writing."""
    found = []
    for volume in service.get("volumes", []):
        if isinstance(volume, str):
            source, target, mode = volume.split(":")
            found.append((source, target, mode == "ro"))
        else:
            found.append((volume["source"], volume["target"], volume.get("read_only", False)))
    return found


def published(service: dict[str, Any]) -> list[str]:
    """The address of each port of a service that is published, "" for any; both Composes' way of writing."""
    return [
        port.rpartition(":")[0].rpartition(":")[0] if isinstance(port, str) else port.get("host_ip", "")
        for port in service.get("ports", [])
    ]


def test_every_overlay_is_tried() -> None:
    assert {name for names in RUNS for name in names} == {file.stem for file in OVERLAYS.glob("*.yaml")}


def test_every_overlay_is_documented() -> None:
    text = (ROOT / "docs/deployment.md").read_text()
    for file in OVERLAYS.glob("*.yaml"):
        assert f"| `{file.stem}` |" in text
        assert f"-f docker-compose.yaml -f deploy/compose/{file.name} up" in file.read_text()


def test_these_services_run(overlays: tuple[str, ...], lasting: Services) -> None:
    assert {name: service.get("scale", 1) for name, service in lasting.items()} == RUNS[overlays]


def test_what_a_service_waits_for_runs_or_has_no_container(content: dict[str, Any]) -> None:
    services = content["services"]
    for service in services.values():
        for name in service.get("depends_on", {}):
            assert name in services


def test_every_image_is_pinned_to_a_version(running_services: Services) -> None:
    for name, service in running_services.items():
        images = re.findall(r"^FROM +(\S+)", dockerfile(service), re.MULTILINE) or [service["image"]]
        for image in images:
            assert re.fullmatch(r"([a-z0-9]+/)?[a-z_]+:v?\d[\w.-]*(@sha256:[0-9a-f]{64})?", image), name


def test_only_nginx_is_reachable_from_outside(overlays: tuple[str, ...], lasting: Services) -> None:
    addresses = {name: published(service) for name, service in lasting.items() if service.get("ports")}
    local = {"app"} if "basic" in overlays else {"nginx"}
    assert set(addresses) == local | ({"prometheus", "grafana"} & set(lasting))
    for name, (address,) in addresses.items():
        assert address == ("" if name == "nginx" else "127.0.0.1")


def test_a_service_has_no_more_rights_than_it_needs(running_services: Services) -> None:
    for name, service in running_services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert bool(service.get("cap_add")) is (name == "secrets")
        assert "privileged" not in service
        user = service.get("user") or re.findall(r"^USER +(\S+)", dockerfile(service), re.MULTILINE)[-1]
        assert (user.partition(":")[0] in {"0", "root"}) is (name == "secrets")


def test_a_service_has_limits_a_health_check_and_a_restart_policy(lasting: Services) -> None:
    for name, service in lasting.items():
        assert {"mem_limit", "pids_limit"} <= service.keys(), name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["restart"] == "unless-stopped", name
        assert "healthcheck" in service or "HEALTHCHECK" in dockerfile(service), name


def test_monitoring_takes_no_more_than_its_share_of_the_processors(lasting: Services) -> None:
    for name in MONITORING.keys() & lasting.keys():
        assert float(lasting[name]["cpus"]) <= 1


def test_what_is_mounted_of_the_project_exists_and_is_not_written(running_services: Services) -> None:
    for name, service in running_services.items():
        for source, target, read_only in mounts(service):
            if source.startswith("/"):
                assert Path(source).is_relative_to(ROOT), name
                assert Path(source).exists(), source
                assert read_only, target


def test_a_secret_has_one_writer_and_one_reader(running_services: Services) -> None:
    readers: dict[str, set[str]] = {}
    for name, service in running_services.items():
        for source, target, read_only in mounts(service):
            if source.endswith("-secrets"):
                assert target == (
                    f"/secrets/{source.removesuffix('-secrets')}" if name == "secrets" else "/run/secrets"
                )
                assert read_only is (name != "secrets")
                readers.setdefault(source, set()).add(name)
    assert all(len(names - ONCE) == 1 for source, names in readers.items() if names != {"secrets"})
    unread = {source for source, names in readers.items() if names == {"secrets"}}
    assert unread <= {"mongo-secrets"}


def test_no_password_has_a_default(running_services: Services) -> None:
    for service in running_services.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"SECRET_KEY|(PASSWORD|URI|DATABASE_URL)(_?_FILE)?$", name):
                assert not value or re.fullmatch(r"/run/secrets/\w+|sqlite:////[\w./]+", value), name


def test_secrets_of_env_reach_the_one_that_keeps_them_only() -> None:
    require(compose.missing())
    names = ("SECRET_KEY", "POSTGRES_PASSWORD", "MARIADB_PASSWORD", "GRAFANA_ADMIN_PASSWORD")
    given = {name: new_secret() for name in names}
    services = resolved(given, ("postgres", "mysql", "full"))["services"]
    assert {name: services["secrets"]["environment"][name] for name in names} == given
    del services["secrets"]
    assert not any(secret in str(services) for secret in given.values())


def test_the_service_has_one_store(overlays: tuple[str, ...], lasting: Services) -> None:
    environment = lasting["app"]["environment"]
    found = {name for name in ("MONGO_URI_FILE", "DATABASE_URL_FILE", "DATABASE_URL") if environment.get(name)}
    assert found == {STORES.get(overlays[0], "MONGO_URI_FILE")}
    assert bool(environment["REDIS_URL"]) is ("redis" in lasting)


def test_the_service_knows_the_port_that_it_is_published_under(overlays: tuple[str, ...]) -> None:
    app = resolved({"HTTP_PORT": "127.0.0.1:8080", "APP_PORT": "5001"}, overlays)["services"]["app"]["environment"]
    assert app["PUBLISHED_PORT"] == ("5001" if "basic" in overlays else "127.0.0.1:8080")
    assert not app["PUBLIC_URL"]


def test_the_service_trusts_no_proxy_where_nothing_is_in_front_of_it(lasting: Services) -> None:
    assert bool(lasting["app"]["environment"]["TRUSTED_PROXIES"]) is ("nginx" in lasting)


def test_the_metrics_are_shown_to_the_monitoring_network(content: dict[str, Any], lasting: Services) -> None:
    app = lasting["app"]
    if "prometheus" not in lasting:
        assert app["environment"]["METRICS_ALLOW"] == ""
        return
    network = content["networks"]["monitoring"]
    (subnet,) = [config["subnet"] for config in network["ipam"]["config"]]
    assert app["environment"]["METRICS_ALLOW"] == subnet
    assert ipaddress.ip_network(subnet).num_addresses <= 16
    assert network["internal"] is True
    watched = {name for name, service in lasting.items() if "monitoring" in service.get("networks", {})}
    assert watched == {"app", *MONITORING}


def test_grafana_does_not_start_without_its_password(lasting: Services) -> None:
    if "grafana" not in lasting:
        return
    grafana = lasting["grafana"]
    variable = "GF_SECURITY_ADMIN_PASSWORD__FILE"
    assert grafana["environment"][variable] == "/run/secrets/password"
    waits, starts = grafana["entrypoint"][-1].replace("$$", "$").splitlines()
    assert waits.startswith(f'until [ -s "${variable}" ]; do')
    assert starts == "exec /run.sh"


def test_full_is_monitoring_with_three_instances() -> None:
    require(compose.missing())
    full, monitoring = (resolved({}, [name]) for name in ("full", "monitoring"))
    assert full["services"]["app"].pop("scale") == 3
    for part in ("services", "networks", "volumes"):
        assert full[part] == monitoring[part]


class Front:
    """A combination of overlays that was brought up, and where it is reached."""

    def __init__(self, opened: Stack, client: httpx.Client, overlays: Sequence[str], services: Sequence[str]) -> None:
        self.stack = opened
        self.client = client
        self.overlays = overlays
        self.services = services

    def answers(self) -> bool:
        """Whether the service answers, its store too."""
        try:
            return self.client.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module", params=[names for names in RUNS if len(names) == 1], ids="+".join)
def front(request: pytest.FixtureRequest) -> Iterator[Front]:
    """Each overlay, brought up with those of its services whose image can be had."""
    if reason := compose.no_engine():
        pytest.skip(reason)
    overlays = request.param
    names = ("HTTP_PORT", "APP_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")
    settings = {name: str(free_port()) for name in names}
    base_url = f"http://localhost:{settings['APP_PORT' if 'basic' in overlays else 'HTTP_PORT']}"
    settings["PUBLIC_URL"] = base_url
    # Beside another stack on this machine, they need networks of their own.
    number = secrets.randbelow(16) * 16
    settings["COMPOSE_EDGE_NETWORK"] = f"10.231.{secrets.randbelow(32)}.{number}/28"
    settings["COMPOSE_MONITORING_NETWORK"] = f"10.231.{32 + secrets.randbelow(32)}.{number}/28"
    declared = resolved(settings, overlays)["services"]
    services = [
        name for name in RUNS[overlays] if "build" in declared[name] or compose.obtainable(declared[name]["image"])
    ]
    name = f"latchkey-test-{secrets.token_hex(4)}"
    with (
        stack(name, settings, overlays, services) as opened,
        httpx.Client(base_url=base_url, timeout=60) as client,
    ):
        found = Front(opened, client, overlays, services)
        wait_until(found.answers, 120)
        yield found


@pytest.mark.timeout(900)
class TestBroughtUp:
    """Needs a Docker engine, and the images or a way to them."""

    def test_an_account_is_registered_and_used(self, front: Front) -> None:
        account = {"username": "ann", "password": PASSWORD}
        registered = front.client.post("/auth/register", json=account)
        assert registered.status_code == 201
        assert (registered.headers["Server"] == "nginx") is ("nginx" in front.services)
        token = front.client.post("/auth/login", json=account).json()["data"]["access_token"]
        for _ in range(6):  # more often than there are instances
            me = front.client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
            assert me.json()["data"]["user"]["username"] == "ann"

    def test_every_service_becomes_healthy_in_its_number(self, front: Front) -> None:
        def healthy(name: str) -> int:
            states = [container["State"] for container in front.stack.containers(name)]
            return sum(state.get("Health", {}).get("Status") == "healthy" for state in states)

        expected = {name: RUNS[tuple(front.overlays)][name] for name in front.services}
        wait_until(lambda: {name: healthy(name) for name in expected} == expected, 120)

    def test_what_is_left_out_has_no_container(self, front: Front) -> None:
        declared = resolved({}, front.overlays)["services"]
        assert not any(front.stack.containers(name) for name in declared.keys() - {*ONCE, *front.services})

    def test_every_instance_answers_requests(self, front: Front) -> None:
        instances = front.stack.containers("app")
        wait_until(lambda: all(self._served(front, container["Id"]) for container in instances), 60)

    def _served(self, front: Front, container: str) -> bool:
        front.client.get("/api/ping")
        return '"route":"/api/ping"' in compose.log(container)

    def test_accounts_outlive_the_containers(self, front: Front) -> None:
        if {"basic", "monitoring", "full"} & set(front.overlays):
            pytest.skip("the store is the one of the default stack")
        account = {"username": "bob", "password": PASSWORD}
        assert front.client.post("/auth/register", json=account).status_code == 201
        front.stack.run("up", "--detach", "--force-recreate", *front.services)
        wait_until(front.answers, 120)
        assert front.client.post("/auth/login", json=account).status_code == 200

    def test_prometheus_finds_every_instance(self, front: Front) -> None:
        if "prometheus" not in front.services:
            pytest.skip("this overlay has no Prometheus")
        address = front.stack.run("port", "prometheus", "9090").strip()
        expected = RUNS[tuple(front.overlays)]["app"]

        def instances() -> int:
            found = httpx.get(f"http://{address}/api/v1/query", params={"query": 'up{job="latchkey"} == 1'}).json()
            return len(found["data"]["result"])

        wait_until(lambda: instances() == expected, 120)

    def test_grafana_lets_nobody_in_with_its_own_default(self, front: Front) -> None:
        if "grafana" not in front.services:
            pytest.skip("this overlay has no Grafana, or its image cannot be had")
        address = front.stack.run("port", "grafana", "3000").strip()
        password = front.stack.execute("grafana", "cat", "/run/secrets/password").strip()
        assert httpx.get(f"http://{address}/api/org", auth=("admin", "admin")).status_code == 401
        assert httpx.get(f"http://{address}/api/org", auth=("admin", password)).status_code == 200
