"""Readiness asks the store, with one probe at a time, and answers in time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TYPE_CHECKING

import pytest

from app.features import REPOSITORIES
from app.health import service as health
from app.health.service import HealthService
from app.platform.errors import Unavailable
from app.store.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.instance import Instance

LONG = 60
"""Seconds that are never waited for unless something hangs."""


class Hanging(SqlStore):
    """A store whose server accepts the connection and does not answer until it is released."""

    def __init__(self, database: Path) -> None:
        super().__init__(f"sqlite:///{database}", REPOSITORIES)
        self.let_go = Event()
        self.pings = 0
        self.lock = Lock()

    def ping(self) -> None:
        with self.lock:
            self.pings += 1
        assert self.let_go.wait(LONG)
        super().ping()


@pytest.fixture
def hanging(database: Path) -> Iterator[Hanging]:
    store = Hanging(database)
    yield store
    store.let_go.set()
    store.close()


def test_an_instance_whose_store_answers_is_ready(instance: Instance) -> None:
    instance.get(HealthService).check_ready()
    instance.get(HealthService).check_ready()


def test_a_store_that_is_away_is_named_and_ready_again_when_it_is_back(
    instance: Instance, away: Callable[[], None]
) -> None:
    away()
    with pytest.raises(Unavailable) as refused:
        instance.get(HealthService).check_ready()
    away()

    assert refused.value.message == "The store (SQLite) does not answer."
    assert [(error.field, error.code) for error in refused.value.fields] == [("store", "unavailable")]
    assert refused.value.retry_after == 1
    instance.get(HealthService).check_ready()


def test_a_store_that_hangs_is_not_waited_for_and_costs_one_thread(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.01)
    service = HealthService(hanging)

    with ThreadPoolExecutor(8) as threads:
        probes = [threads.submit(service.check_ready) for _ in range(24)]

    assert all(isinstance(probe.exception(), Unavailable) for probe in probes)
    assert hanging.pings == 1
    monkeypatch.setattr(health, "PATIENCE", LONG)
    hanging.let_go.set()
    service.check_ready()
    assert hanging.pings <= 2
    service.close()


def test_an_answer_to_a_probe_is_out_within_two_seconds() -> None:
    assert health.PATIENCE < 2


def test_an_instance_that_stops_is_not_ready(instance: Instance) -> None:
    instance.get(HealthService).close()

    with pytest.raises(Unavailable) as refused:
        instance.get(HealthService).check_ready()

    assert refused.value.message == "This instance is stopping."


def test_a_probe_that_the_stop_cuts_off_says_not_ready(hanging: Hanging) -> None:
    service = HealthService(hanging)
    begun = Event()

    # The only thread of the probes is busy, so that the probe itself has not begun when the instance stops.
    def keep_busy() -> None:
        begun.set()
        hanging.let_go.wait(LONG)

    service._executor.submit(keep_busy)  # noqa: SLF001 - nothing else keeps it
    assert begun.wait(LONG)
    with ThreadPoolExecutor(1) as threads:
        probe = threads.submit(service.check_ready)
        while service._probe is None:  # noqa: SLF001 - when it waits
            pass
        service.close()
        assert isinstance(probe.exception(), Unavailable)
    hanging.let_go.set()
