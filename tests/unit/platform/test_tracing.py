"""Jobs and mails are traces of their own; an absent collector is logged once a minute; off means off."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from app.features import ENDPOINTS
from app.mail.mail import MailFailedError
from app.platform.tracing import COMPLAIN_EVERY, Tracing
from app.security.hash_pool import HashPool
from tests.api.service import SETTINGS
from tests.servers.otlp import Collector, collector_of_this_process
from tests.stores import outbox_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.mail.mail import Mail
    from tests.unit.instance import Instance

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def told() -> Iterator[Collector]:
    with collector_of_this_process() as running:
        yield running


@pytest.fixture
def tracing(told: Collector) -> Iterator[Tracing]:
    """Tracing that sends to the collector."""
    tracing = Tracing(told.url, "SQLite")
    tracing.start()
    yield tracing
    tracing.close()


def test_a_job_is_a_trace_of_its_store_calls(start: Callable[..., Instance], told: Collector) -> None:
    wired = start(OTEL_EXPORTER_OTLP_ENDPOINT=told.url).wired
    assert wired.tracing is not None
    wired.tracing.start()
    wired.jobs.run_due()
    wired.tracing.close()

    roots = [span for span in told.spans if span.parent == ""]
    assert {"job purge", "job keys"} <= {span.name for span in roots}
    assert all(span.name.startswith("job ") for span in roots)
    (keys,) = told.named("job keys")
    assert {call.name.partition(".")[0] for call in told.inside(keys)} == {"keyrings", "totp_secrets", "webhook_books"}


def test_sending_a_mail_makes_a_trace_and_polling_for_mail_makes_none(
    start: Callable[..., Instance], told: Collector
) -> None:
    instance = start(OTEL_EXPORTER_OTLP_ENDPOINT=told.url)
    wired, office = instance.wired, PostOffice()
    assert wired.tracing is not None
    wired.tracing.start()
    instance.register(email="ann@example.com")
    outbox = outbox_of(wired, mailer=office)
    assert [outbox.deliver_due(), outbox.deliver_due()] == [1, 0]
    wired.tracing.close()

    (span,) = told.spans
    assert (span.name, span.parent, span.failed, span.attributes) == ("mail send", "", False, {})
    assert len(office.taken) == 1


def test_a_failed_mail_records_the_kind_of_its_error(start: Callable[..., Instance], told: Collector) -> None:
    instance = start(OTEL_EXPORTER_OTLP_ENDPOINT=told.url)
    wired = instance.wired
    assert wired.tracing is not None
    wired.tracing.start()
    instance.register(email="ann@example.com")
    outbox_of(wired, mailer=PostOffice(MailFailedError("planted"))).deliver_due()
    wired.tracing.close()

    (span,) = told.spans
    assert (span.failed, span.attributes, span.said) == (True, {"error.type": "MailFailedError"}, [])


class PostOffice:
    """A mail server: keeps what it takes, or fails."""

    def __init__(self, failure: MailFailedError | None = None) -> None:
        self.taken: list[Mail] = []
        self._failure = failure

    def send(self, mail: Mail) -> None:
        if self._failure is not None:
            raise self._failure
        self.taken.append(mail)


def test_a_hash_is_observed_with_its_wait_though_another_thread_computes_it(tracing: Tracing, told: Collector) -> None:
    pool = HashPool(threads=1, queue=1, deadline=60, observer=tracing)
    with tracing.working("a task"):
        assert pool.run(lambda: 7) == 7
    pool.close()
    tracing.close()

    (task,) = told.named("a task")
    (span,) = told.inside(task)
    assert (span.name, [*span.attributes]) == ("hash", ["latchkey.hash.waited_seconds"])


def test_work_outside_of_any_trace_is_not_traced(tracing: Tracing, told: Collector) -> None:
    with tracing.store_call("users.due"), tracing.hashing():
        tracing.hash_began(0)
    tracing.close()

    assert told.spans == []


@pytest.mark.parametrize(
    "path", [one.path for one in ENDPOINTS if one.any_host] + ["/health/ready/", "/metrics/", "/assets/x/y\n"]
)
def test_what_machines_request_every_few_seconds_is_not_traced(path: str, tracing: Tracing) -> None:
    with tracing.exchange(path, {}) as facts:
        assert facts == {}


@pytest.mark.parametrize("path", ["/healthy", "/auth/login", "/metricsx", "/x/assets/y", "/"])
def test_every_other_path_is_traced(path: str, tracing: Tracing) -> None:
    with tracing.exchange(path, {}) as facts:
        assert facts.keys() == {"trace_id", "span_id"}


def test_before_the_start_nothing_is_traced(told: Collector) -> None:
    tracing = Tracing(told.url, "SQLite")
    with tracing.exchange("/", {}) as facts:
        assert facts == {}
    tracing.close()

    assert told.bodies == []


def test_complaints_are_logged_once_a_minute(tracing: Tracing, monkeypatch: pytest.MonkeyPatch) -> None:
    del tracing
    now = [1000.0]
    monkeypatch.setattr("app.platform.tracing.time.monotonic", lambda: now[0])
    library = logging.getLogger("opentelemetry.exporter")
    with capture_logs() as logged:
        for later in (0, 1, COMPLAIN_EVERY - 2, 1, 1):
            now[0] += later
            library.info("all is well")
            library.warning("the collector is %s", "away")

    line = {"event": "tracing", "log_level": "warning", "complaint": "the collector is away", "exc_info": None}
    assert logged == [line, line]


@pytest.mark.parametrize(
    ("more", "loaded"),
    [
        ({}, set()),
        ({"MONGO_URI": "mongodb://127.0.0.1:9/x"}, set()),
        ({"METRICS_ALLOW": "127.0.0.1"}, set()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE}, {"app.platform.tracing", "opentelemetry"}),
    ],
)
def test_without_a_collector_none_of_it_is_loaded(more: dict[str, str], loaded: set[str]) -> None:
    program = """
import json, sys
from app import config, create_app
create_app(config.load(json.loads(sys.argv[1]), dotenv=None))
print(json.dumps(list(sys.modules)))
"""
    store = {} if "MONGO_URI" in more else {"DATABASE_URL": "sqlite:////nowhere/x.db"}
    command = [sys.executable, "-c", program, json.dumps({**SETTINGS, **store, **more})]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, check=True, timeout=120)

    assert {"app.platform.tracing", "opentelemetry"} & set(json.loads(done.stdout)) == loaded
