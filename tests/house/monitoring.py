"""The contents of monitoring/: the rules of Prometheus with their tests, and the dashboard of Grafana."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "monitoring"
CONFIG = FOLDER / "prometheus" / "prometheus.yml"
RULE_FILES = sorted((FOLDER / "prometheus" / "rules").glob("*.yml"))
TEST_FILES = sorted((FOLDER / "prometheus" / "tests").glob("*.yml"))
DASHBOARD = FOLDER / "grafana" / "dashboards" / "latchkey.json"
_KEYWORDS = {"and", "bool", "by", "ignoring", "offset", "on", "or", "unless", "without"}


@cache
def read(file: Path) -> dict[str, Any]:
    """A file in YAML, which JSON is as well. It is parsed once, so nobody changes what they get."""
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content


def rules() -> list[dict[str, Any]]:
    """All rules, in the order in which they stand."""
    return [rule for file in RULE_FILES for group in read(file)["groups"] for rule in group["rules"]]


def records() -> dict[str, str]:
    """The expressions that are recorded, by the name that they are recorded as."""
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def alerts() -> dict[str, dict[str, Any]]:
    """The rules that alert, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def panels() -> list[dict[str, Any]]:
    """All panels of the dashboard, the headings of its rows too."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def queries() -> dict[str, str]:
    """The queries of the dashboard, by the title of the panel and the letter of the query."""
    return {
        f"{panel['id']} {panel['title']} {target['refId']}": target["expr"]
        for panel in panels()
        for target in panel.get("targets", [])
    }


def metrics_in(expression: str) -> set[str]:
    """The metrics that an expression of PromQL names, recorded ones among them."""
    left = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', " ", re.sub(r'"[^"]*"', '""', expression))
    left = re.sub(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)", " ", left)
    return set(re.findall(r"(?<![\w:.$])[a-zA-Z_:][\w:]*(?![\w:]|\s*\()", left)) - _KEYWORDS


def labels_in(expression: str) -> set[str]:
    """The labels that an expression of PromQL selects, groups or matches by."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    listed = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", bare)
    selected = re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*""', bare)
    return {label for names in listed for label in re.findall(r"\w+", names)} | set(selected)
