"""What monitoring/ queries is measured, what it alerts about is documented and tested, and its dashboard is whole."""

import json
import re
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.config.settings import definitions
from app.metrics.exposition import Metrics
from tests.house import monitoring
from tests.house.monitoring import TEST_FILES, alerts, labels_in, metrics_in, panels, queries, records
from tests.house.test_metrics_are_documented import measured
from tests.tools.api_endpoints import anchor

ROOT = Path(__file__).parents[2]
PROVISIONING = monitoring.FOLDER / "grafana/provisioning"
DASHBOARD = monitoring.read(monitoring.DASHBOARD)
SHOWN = [panel for panel in panels() if panel["type"] != "row"]
GUIDE = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
FOREIGN = {
    "ALERTS": {"alertname", "alertstate"},
    "up": set[str](),
    "redis_up": set[str](),
    "redis_memory_used_bytes": set[str](),
    "redis_memory_max_bytes": set[str](),
    "redis_commands_processed_total": set[str](),
    "redis_connected_clients": set[str](),
}
"""What Prometheus and redis_exporter measure, with its labels; `tests/e2e/test_monitoring.py` serves the latter."""
OF_EVERY_SERIES = {"job", "instance"}
UNITS = {"none", "short", "reqps", "ops", "percentunit", "s", "bytes"}
"""Those of Grafana that the dashboard needs."""
EXPRESSIONS = {
    **records(),
    **{name: rule["expr"] for name, rule in alerts().items()},
    **{name: expr.replace("$__rate_interval", "1m") for name, expr in queries().items()},
}

each_alert = pytest.mark.parametrize("name", alerts())


@cache
def series() -> dict[str, set[str]]:
    """Everything that can be asked for, with its labels."""
    own: dict[str, set[str]] = {}
    for name, kind, labels in measured():
        own[name] = set(labels)
        if kind == "histogram":
            own |= {f"{name}_bucket": {*labels, "le"}, f"{name}_count": set(labels), f"{name}_sum": set(labels)}
    return own | FOREIGN


def test_an_expression_is_read_as_prometheus_reads_it() -> None:
    expression = 'sum by (le, a) (rate(x_bucket{b=~"by (c)", d!="e{f}"}[5m])) > 0.5 or on (g) n:y:p95_5m offset 1d'
    assert metrics_in(expression) == {"x_bucket", "n:y:p95_5m"}
    assert labels_in(expression) == {"le", "a", "b", "d", "g"}


def test_every_queried_metric_is_measured() -> None:
    measured = series().keys() | records().keys()
    asked = {name: metrics_in(expression) for name, expression in EXPRESSIONS.items()}
    assert {name: metrics - measured for name, metrics in asked.items() if not metrics or metrics - measured} == {}


def test_every_queried_label_belongs_to_its_metric() -> None:
    strange = {name: labels_in(expression) - labels_for(expression) for name, expression in EXPRESSIONS.items()}
    assert {name: labels for name, labels in strange.items() if labels} == {}


def labels_for(expression: str) -> set[str]:
    """The labels of all series that an expression asks for, also by way of what is recorded."""
    known, left = set(OF_EVERY_SERIES), metrics_in(expression)
    while left:
        metric = left.pop()
        known |= series().get(metric, set())
        left |= metrics_in(records().get(metric, ""))
    return known | ({"none"} if "label_replace" in expression else set())


def test_every_recorded_series_is_queried() -> None:
    asked = [metrics_in(expression) for name, expression in EXPRESSIONS.items()]
    assert records().keys() <= set().union(*asked)


@each_alert
def test_an_alert_says_what_it_means_what_to_do_and_where_to_read_more(name: str) -> None:
    rule = alerts()[name]
    assert name.startswith("Latchkey")
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["annotations"]["description"].endswith(".")
    path, fragment = urldefrag(rule["annotations"]["runbook"])
    headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert fragment in {anchor(heading) for heading in headings}


def test_the_table_of_alerts_is_that_of_the_rules() -> None:
    rows = re.findall(r"^\| `(Latchkey\w+)` \| (\w+) \| (.+) \| (.+) \|$", GUIDE, re.MULTILINE)
    assert [(name, severity) for name, severity, _, _ in rows] == [
        (name, rule["labels"]["severity"]) for name, rule in alerts().items()
    ]


@each_alert
def test_an_alert_is_tested_to_fire_and_beside_that_to_be_quiet(name: str) -> None:
    scenarios = {file.stem: [name in fired(scenario) for scenario in scenarios_of(file)] for file in TEST_FILES}
    (fires,) = [found for found in scenarios.values() if any(found)]
    assert not all(fires)


def test_a_time_in_an_alert_is_one_that_the_buckets_distinguish() -> None:
    largest = largest_buckets()
    compared = [
        (metric, float(seconds))
        for rule in alerts().values()
        for metric, seconds in re.findall(r"(latchkey_\w+_seconds):p95_5m(?:\{[^}]*\})? > ([\d.]+)", rule["expr"])
    ]
    assert {metric for metric, _ in compared} == largest.keys()
    assert all(seconds < largest[metric] for metric, seconds in compared)


def test_the_dashboard_asks_the_data_source_that_is_provisioned() -> None:
    (source,) = monitoring.read(PROVISIONING / "datasources/prometheus.yml")["datasources"]
    data_source, variable = DASHBOARD["templating"]["list"]
    asking = [variable, *(panel for panel in panels() if panel["type"] != "row")]
    asking += [target for panel in panels() for target in panel.get("targets", [])]
    assert {json.dumps(one["datasource"]) for one in asking} == {
        json.dumps({"type": source["type"], "uid": f"${{{data_source['name']}}}"})
    }
    assert (data_source["query"], data_source["current"]["value"]) == (source["type"], source["uid"])
    (provider,) = monitoring.read(PROVISIONING / "dashboards/latchkey.yml")["providers"]
    compose = monitoring.read(ROOT / "deploy/compose/monitoring.yaml")["services"]
    assert f"./monitoring/grafana/dashboards:{provider['options']['path']}:ro" in compose["grafana"]["volumes"]
    assert source["url"].removeprefix("http://").partition(":")[0] in compose


def test_importing_the_dashboard_prompts_for_the_data_source() -> None:
    (asked,) = DASHBOARD["__inputs"]
    assert (asked["name"], asked["type"], asked["pluginId"]) == ("DS_PROMETHEUS", "datasource", "prometheus")


def test_quantiles_are_called_what_the_field_calls_them() -> None:
    for panel in panels():
        for target in panel.get("targets", []):
            for quantile in re.findall(r"histogram_quantile\(0\.(\d+)|:p(\d\d)_5m", target["expr"]):
                name = f"p{''.join(quantile).ljust(2, '0')}"
                assert name in f"{panel['title']} {target['legendFormat']}", panel["title"]
            assert "of 100" not in json.dumps(panel)


def test_prometheus_asks_services_that_the_stack_has() -> None:
    compose = monitoring.read(ROOT / "deploy/compose/monitoring.yaml")["services"]
    assert "./monitoring/prometheus:/etc/prometheus:ro" in compose["prometheus"]["volumes"]
    jobs = {job["job_name"]: job for job in monitoring.read(monitoring.CONFIG)["scrape_configs"]}
    assert jobs.keys() == {"latchkey", "redis", "prometheus"}
    (found,) = jobs["latchkey"]["dns_sd_configs"]
    assert {*found["names"], target_of(jobs["redis"]).partition(":")[0]} <= compose.keys()
    assert found["port"] == definitions()["server"]["PORT"].default
    assert target_of(jobs["prometheus"]) == "localhost:9090"


def test_the_panels_of_the_dashboard_are_in_order_and_do_not_overlap() -> None:
    identifiers = [panel["id"] for panel in panels()]
    assert len(set(identifiers)) == len(identifiers)
    places = [panel["gridPos"] for panel in panels()]
    assert [(place["y"], place["x"]) for place in places] == sorted((place["y"], place["x"]) for place in places)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


@pytest.mark.parametrize("panel", SHOWN, ids=lambda panel: f"{panel['id']} {panel['title']}")
def test_a_panel_says_what_it_shows_and_in_what(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    letters = [target["refId"] for target in panel["targets"]]
    assert len(set(letters)) == len(letters) > 0
    assert panel["type"] == "stat" or all(target["legendFormat"] for target in panel["targets"])


def test_the_dashboard_asks_by_no_variable_that_it_has_not() -> None:
    variable = DASHBOARD["templating"]["list"][-1]
    used = {name for expression in queries().values() for name in re.findall(r"\$(\w+)", expression)}
    assert used == {variable["name"], "__rate_interval"}


def scenarios_of(file: Path) -> list[dict[str, Any]]:
    scenarios: list[dict[str, Any]] = monitoring.read(file)["tests"]
    return scenarios


def fired(scenario: dict[str, Any]) -> set[str]:
    """The alerts that fire in a scenario, at any of its times."""
    samples = [sample for check in scenario["promql_expr_test"] for sample in check["exp_samples"]]
    return {name for sample in samples for name in re.findall(r'alertname="(\w+)"', sample.get("labels", ""))}


def largest_buckets() -> dict[str, float]:
    """The largest finite bucket of each histogram."""
    metrics = Metrics("1.2.3")
    metrics.counts.exchange_ended("GET", "/", 200, None, 0.1)
    with metrics.counts.store_call("users.add"):
        pass
    text, _ = metrics.render("")
    families = [family for family in text_string_to_metric_families(text.decode()) if family.type == "histogram"]
    return {
        family.name: sorted(float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels)[-2]
        for family in families
    }


def target_of(job: dict[str, Any]) -> str:
    """The one target of a job that has a fixed one."""
    ((target,),) = [listed["targets"] for listed in job["static_configs"]]
    return str(target)


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    """Whether two places of the grid have anything in common."""
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )
