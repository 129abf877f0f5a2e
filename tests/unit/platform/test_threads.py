"""A pool of threads makes do with those it has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from app.platform.threads import ModestPool
from tests.unit.server.served import no_threads


def test_a_pool_that_gets_no_more_threads_does_all_jobs_with_those_it_has() -> None:
    let_go = Event()
    with ModestPool(4) as pool:
        first = pool.submit(let_go.wait, 60)
        with no_threads():
            others = [pool.submit(int, number) for number in range(3)]
        let_go.set()
        assert first.result()
        assert [other.result(60) for other in others] == [0, 1, 2]


@pytest.mark.parametrize("kind", [ModestPool, ThreadPoolExecutor])
def test_a_pool_that_has_no_thread_at_all_says_so(kind: type[ThreadPoolExecutor]) -> None:
    with no_threads(), pytest.raises(RuntimeError, match=r"^can't start new thread$"):
        kind(1).submit(int)


def test_the_pool_of_python_fails_where_this_one_makes_do() -> None:
    let_go = Event()
    with ThreadPoolExecutor(4) as pool:
        pool.submit(let_go.wait, 60)
        with no_threads(), pytest.raises(RuntimeError):
            pool.submit(int)
        let_go.set()
