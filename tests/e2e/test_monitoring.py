"""monitoring/ as an operator has it: promtool finds no fault, and a real Prometheus watches the running service."""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.house import monitoring
from tests.servers import prometheus as prometheus_servers
from tests.servers.fixtures import require
from tests.servers.process import free_port, own_folder, wait_until
from tests.servers.prometheus import Prometheus, exposition, prometheus, promtool
from tests.servers.service import Service, service
from tests.servers.smtp import smtp_server

pytestmark = pytest.mark.timeout(300)

PATIENCE = 120.0
"""Seconds until everything was scraped and evaluated, on a busy machine."""
REDIS = """\
# TYPE redis_up gauge
redis_up 1
# TYPE redis_memory_used_bytes gauge
redis_memory_used_bytes 1.048576e+06
# TYPE redis_memory_max_bytes gauge
redis_memory_max_bytes 1.34217728e+08
# TYPE redis_commands_processed_total counter
redis_commands_processed_total 4711
# TYPE redis_connected_clients gauge
redis_connected_clients 3
"""
"""What redis_exporter says: it is not at hand."""


@dataclass
class Watched:
    """A service, and the Prometheus that watches it."""

    server: Service
    prometheus: Prometheus
    rounds: int = 0
    """How often it has worked."""

    def work(self) -> None:
        """Have the service do everything that is counted, once."""
        self.rounds += 1
        name, wrong = f"user{self.rounds}", "incorrect horse battery staple"
        with httpx.Client(base_url=self.server.base_url, timeout=30) as client:

            def post(path: str, status: int, **body: str) -> dict[str, Any]:
                reply = client.post(path, json=body)
                assert reply.status_code == status, reply.text
                return dict(reply.json().get("data", {}))

            first = post("/auth/register", 201, username=name, email=f"{name}@example.com", password=PASSWORD)
            post("/auth/login", 200, username=name, password=PASSWORD)
            post("/auth/login", 401, username=name, password=wrong)
            post("/auth/refresh", 200, refresh_token=first["refresh_token"])
            post("/auth/refresh", 401, refresh_token=first["refresh_token"])
            for token in ("no token", post("/auth/login", 200, username=name, password=PASSWORD)["token"]):
                client.get("/auth/me", headers={"x-access-token": token})
            client.get("/nowhere")


@pytest.fixture(autouse=True)
def _prometheus() -> None:
    require(prometheus_servers.missing())


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Two workers that send mail, watched every 2 s."""
    require(prometheus_servers.missing())
    with smtp_server() as smtp, exposition(REDIS) as exporter:
        settings = in_testing(
            WEB_CONCURRENCY="2",
            METRICS_ALLOW="127.0.0.1",
            REFRESH_GRACE_SECONDS="0",
            SMTP_URL=f"smtp://127.0.0.1:{smtp.port}?tls=off",
            **on_sqlite(tmp_path_factory.mktemp("store")),
        )
        with service(settings) as server, watching(server.port, exporter) as prometheus_server:
            yield Watched(server, prometheus_server)


@contextmanager
def watching(service_port: int, exporter_port: int) -> Iterator[Prometheus]:
    """Prometheus with the configuration that ships, but for the addresses, and every 2 s in place of 15."""
    port = free_port()
    with own_folder() as folder:
        shutil.copytree(monitoring.CONFIG.parent, folder, dirs_exist_ok=True)
        config = deepcopy(monitoring.read(monitoring.CONFIG))
        config["global"] = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "2s")
        jobs = {job["job_name"]: job for job in config["scrape_configs"]}
        del jobs["latchkey"]["dns_sd_configs"]
        for name, of in {"latchkey": service_port, "redis": exporter_port, "prometheus": port}.items():
            jobs[name]["static_configs"] = [{"targets": [f"127.0.0.1:{of}"]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        with prometheus(folder / "prometheus.yml", port=port) as server:
            yield server


def test_the_configuration_and_the_rules_are_valid() -> None:
    assert f"{len(monitoring.RULE_FILES)} rule files found" in promtool("check", "config", monitoring.CONFIG)
    promtool("check", "rules", "--lint=all", "--lint-fatal", *monitoring.RULE_FILES)


@pytest.mark.parametrize("file", monitoring.TEST_FILES, ids=lambda file: file.stem)
def test_the_rules_pass_their_tests(file: Path) -> None:
    promtool("test", "rules", file)


def test_prometheus_reads_the_service_the_exporter_and_itself(watched: Watched) -> None:
    def up() -> set[str]:
        return {labels["job"] for labels, value in watched.prometheus.query("up") if value == 1}

    wait_until(lambda: up() == {"latchkey", "redis", "prometheus"}, PATIENCE)


def test_every_rule_is_evaluated(watched: Watched) -> None:
    watched.work()

    def evaluated() -> dict[str, dict[str, Any]]:
        groups = watched.prometheus.ask("rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"] if rule["health"] != "unknown"}

    expected = {*monitoring.records(), *monitoring.alerts()}
    wait_until(lambda: evaluated().keys() == expected, PATIENCE)
    assert {name: rule["lastError"] for name, rule in evaluated().items() if rule["health"] != "ok"} == {}


@pytest.mark.parametrize(
    "asked", [{name: name for name in monitoring.records()}, monitoring.queries()], ids=["recorded", "dashboard"]
)
def test_every_query_gives_numbers(watched: Watched, asked: dict[str, str]) -> None:
    without = dict(asked)

    def all_have_given() -> bool:
        watched.work()
        for name, expression in list(without.items()):
            concrete = expression.replace("$__rate_interval", "1m").replace("$instance", ".+")
            if any(math.isfinite(value) for _, value in watched.prometheus.query(concrete)):
                del without[name]
        return not without

    try:
        wait_until(all_have_given, PATIENCE)
    except TimeoutError:
        pytest.fail(f"no numbers: {without}")


def test_what_happened_is_what_prometheus_counts_over_both_workers(watched: Watched) -> None:
    def counted() -> list[float]:
        asked = [
            'sum(latchkey_logins_total{outcome="success"})',
            'sum(latchkey_logins_total{outcome="invalid_credentials"})',
            "sum(latchkey_refresh_reuse_total)",
            'sum(latchkey_http_requests_total{route="none",status="404"})',
        ]
        return [value for expression in asked for _, value in watched.prometheus.query(expression)]

    for _ in range(3):
        watched.work()
    rounds = float(watched.rounds)
    wait_until(lambda: counted() == [2 * rounds, rounds, rounds, rounds], PATIENCE)
