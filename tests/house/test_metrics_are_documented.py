"""The table of metrics in docs/monitoring.md is what the code measures."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import config, wiring
from app.features import FEATURES
from app.metrics.exposition import Metrics
from app.platform.errors import Unavailable
from tests.api.service import SETTINGS

GUIDE = Path(__file__).parents[2] / "docs" / "monitoring.md"


def documented() -> set[tuple[str, str, tuple[str, ...]]]:
    """Name, type and labels of each line of the table."""
    rows = re.findall(r"^\| `(latchkey_\w+)` \| (\w+) \| (.*?) \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    return {(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def measured() -> set[tuple[str, str, tuple[str, ...]]]:
    """The same for the metrics after everything has happened once."""
    metrics = Metrics("1.2.3")
    metrics.counts.exchange_ended("GET", "/", 200, None, 0.1)
    with pytest.raises(Unavailable), metrics.counts.store_call("users.add"):
        raise Unavailable
    parts = wiring.build(config.load(SETTINGS, dotenv=None), watched=False).parts
    for queue in (make for feature in FEATURES for make in feature.queues):
        metrics.watch(replace(queue(parts), waiting=lambda: 0))
    text, _ = metrics.render("")
    metrics.close()
    found = set()
    for family in text_string_to_metric_families(text.decode()):
        suffix = "_total" if family.type == "counter" else ""
        labels = {label for sample in family.samples for label in sample.labels if label != "le"}
        found.add((f"{family.name}{suffix}", family.type, tuple(sorted(labels))))
    return found


def test_every_metric_stands_in_the_table_and_nothing_else() -> None:
    assert documented() == measured()
