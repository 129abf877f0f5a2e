"""Other servers are probed within a deadline."""

from __future__ import annotations

from threading import Event

from app.operations.probes import collector, within
from tests.servers import otlp
from tests.servers.process import free_port


def test_a_check_that_hangs_is_abandoned() -> None:
    hangs = Event()
    assert within(lambda: str(hangs.wait()), seconds=0.01) == "no answer within 0 s"
    hangs.set()


def test_the_finding_of_a_check_is_returned() -> None:
    assert within(lambda: "refused") == "refused"
    assert within(lambda: None) is None


def test_a_collector_that_accepts_an_empty_export_is_healthy_and_others_are_reported() -> None:
    with otlp.collector() as server:
        assert collector(server.url) is None
    assert "refused" in (collector(f"http://127.0.0.1:{free_port()}") or "")
