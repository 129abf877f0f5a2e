"""The length of a queue: read from the store within a time limit, and not too often."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from app.feature import Queue
from app.metrics.queues import QueueGauge
from app.platform.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Store:
    """Answers as the test says, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Callable[[], int] = lambda: 7

    def count(self) -> int:
        self.asked += 1
        return self.answer()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def queue(store: Store) -> Iterator[QueueGauge]:
    queue = QueueGauge(Queue("latchkey_mail_queue", "Mail.", store.count))
    yield queue
    queue.close()


def shown(queue: QueueGauge) -> list[float]:
    return [sample.value for metric in queue.collect() for sample in metric.samples]


def test_what_the_store_counts_is_shown(queue: QueueGauge) -> None:
    (metric,) = queue.collect()
    assert (metric.name, metric.type) == ("latchkey_mail_queue", "gauge")
    assert shown(queue) == [7]


def test_an_answer_is_reused_for_a_while(queue: QueueGauge, store: Store) -> None:
    assert [shown(queue) for _ in range(5)] == [[7]] * 5
    assert store.asked == 1


def test_an_old_answer_is_not_reused(queue: QueueGauge, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.metrics.queues.KEPT_FOR", 0)
    assert [shown(queue) for _ in range(3)] == [[7]] * 3
    assert store.asked == 3


def test_without_an_answer_the_gauge_is_left_out_and_the_store_is_asked_again(queue: QueueGauge, store: Store) -> None:
    def fail() -> int:
        raise Unavailable

    store.answer = fail
    assert [shown(queue), shown(queue)] == [[], []]
    assert store.asked == 2
    store.answer = lambda: 3
    assert shown(queue) == [3]


def test_while_the_store_hangs_the_gauge_is_left_out_and_the_store_is_asked_once(
    queue: QueueGauge, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.metrics.queues.PATIENCE", 0.05)
    goes_on = Event()

    def hang() -> int:
        goes_on.wait(60)
        return 1

    store.answer = hang
    asking = [Thread(target=lambda: shown(queue)) for _ in range(5)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert shown(queue) == []
    assert store.asked == 1
    goes_on.set()


def test_after_the_close_nothing_is_shown(queue: QueueGauge) -> None:
    queue.close()
    assert shown(queue) == []
