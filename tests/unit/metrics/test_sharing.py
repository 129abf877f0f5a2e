"""What workers count together survives each of them, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.values import MultiProcessValue

from app.metrics.sharing import VARIABLE, Sharing, make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

ROOT = Path(__file__).parents[3]
FORK = multiprocessing.get_context("fork")
PREFIX = "latchkey-metrics-"


class Worker:
    """A process that counts until it is told to end, or is killed."""

    def __init__(self, sharing: Sharing) -> None:
        self._orders, orders = FORK.Pipe()
        self.process = FORK.Process(target=_work, args=(sharing, orders), daemon=True)
        self.process.start()

    @property
    def number(self) -> str:
        return str(self._ask("number"))

    def count(self) -> None:
        """Count one of what stays, and one of what is only there while the worker lives."""
        self._ask("count")

    def counted(self) -> dict[str, float]:
        """What all workers counted, as this one sums it up."""
        return dict(self._ask("sums"))

    def workers(self) -> dict[str, int]:
        """The live workers, as this one sees them."""
        return dict(self._ask("workers"))

    def end(self) -> None:
        self._orders.send("end")
        self.process.join(60)
        assert self.process.exitcode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def _ask(self, order: str) -> Any:
        self._orders.send(order)
        assert self._orders.poll(60)
        return self._orders.recv()


def _work(sharing: Sharing, orders: Connection) -> None:
    os.environ[VARIABLE] = str(sharing.folder)
    value = MultiProcessValue(sharing.mine)
    total = value("counter", "total", "total", (), (), "stays")
    now = value("gauge", "now", "now", (), (), "goes", multiprocess_mode="livesum")
    while (order := orders.recv()) != "end":
        match order:
            case "number":
                orders.send(sharing.mine())
            case "count":
                orders.send([total.inc(1), now.inc(1)])
            case "workers":
                orders.send(list(sharing.workers().items()))
            case "sums":
                orders.send([(s.name, s.value) for metric in sharing.collect() for s in metric.samples])


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    """Three workers of one instance."""
    sharing = Sharing(tmp_path)
    started = [Worker(sharing) for _ in range(3)]
    yield started
    for worker in started:
        worker.kill()


def another(workers: list[Worker], tmp_path: Path) -> Worker:
    """A worker that begins now."""
    workers.append(Worker(Sharing(tmp_path)))
    return workers[-1]


def test_workers_have_the_lowest_numbers(workers: list[Worker]) -> None:
    assert sorted(worker.number for worker in workers) == ["0", "1", "2"]


def test_what_was_there_before_the_fork_has_files_of_its_own(tmp_path: Path) -> None:
    assert Sharing(tmp_path).mine() == "start"


def test_a_worker_keeps_its_number(workers: list[Worker]) -> None:
    assert [workers[0].number] * 2 == [workers[0].number, workers[0].number]


def test_the_sums_are_those_of_all(workers: list[Worker]) -> None:
    for worker in workers:
        worker.count()
    workers[0].count()
    assert [worker.counted() for worker in workers] == [{"total": 4, "now": 4}] * 3


def test_the_live_workers_are_known_by_their_numbers(workers: list[Worker]) -> None:
    expected = {worker.number: worker.process.pid for worker in workers}
    assert workers[0].workers() == expected


@pytest.mark.parametrize("end", [Worker.kill, Worker.end])
def test_a_count_outlives_its_worker_and_what_is_only_of_the_living_does_not(
    workers: list[Worker], end: object
) -> None:
    for worker in workers:
        worker.count()
    gone = workers[2].number
    assert callable(end)
    end(workers[2])

    assert workers[0].counted() == {"total": 3, "now": 2}
    assert gone not in workers[0].workers()


def test_the_next_worker_goes_on_with_the_files_of_one_that_is_gone(workers: list[Worker], tmp_path: Path) -> None:
    for worker in workers:
        worker.count()
    files = {file.name for file in tmp_path.iterdir()}
    for replaced in range(5):
        gone = workers[1].number
        workers.pop(1).kill()
        new = another(workers, tmp_path)
        assert new.number == gone
        workers.insert(1, workers.pop())
        assert new.counted() == {"total": 3 + replaced, "now": 2}
        new.count()

    assert {file.name for file in tmp_path.iterdir()} == files


def test_a_number_whose_process_id_went_to_a_stranger_is_nobodys(workers: list[Worker], tmp_path: Path) -> None:
    numbers = {worker.number for worker in workers}
    assert workers[0].workers().keys() == workers[1].workers().keys() == numbers
    (tmp_path / "worker_7").write_text("1")  # lives, and is no worker of this instance
    (tmp_path / "worker_8").write_text("")
    assert workers[0].workers().keys() == numbers


def test_a_file_that_another_worker_is_about_to_begin_is_left_out(workers: list[Worker], tmp_path: Path) -> None:
    workers[0].count()
    (tmp_path / "counter_9.db").touch()
    assert workers[0].counted()["total"] == 1


def test_a_folder_that_was_left_behind_is_removed_and_one_in_use_is_not(tmp_path: Path) -> None:
    left, used, unfinished = (tmp_path / f"{PREFIX}{name}" for name in ("left", "used", "unfinished"))
    for folder in (left, used, unfinished):
        folder.mkdir()
        (folder / "counter_0.db").touch()
    (left / "alive").touch()
    stranger = tmp_path / "other"
    stranger.mkdir()
    with (used / "alive").open("wb") as lock:
        flock(lock, LOCK_EX)
        made = make_folder(tmp_path)

    assert {folder.name for folder in tmp_path.iterdir()} == {used.name, unfinished.name, stranger.name, made.name}
    assert make_folder(tmp_path) != made
    assert made.exists()
    assert made.stat().st_mode & 0o777 == 0o700


def test_what_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    precious, place = tmp_path / "precious", tmp_path / "place"
    precious.mkdir()
    place.mkdir()
    (precious / "alive").touch()
    (place / f"{PREFIX}link").symlink_to(precious)
    make_folder(place)
    assert (precious / "alive").exists()


def test_a_folder_goes_with_the_process_that_made_it_and_not_with_its_children(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from app.metrics.sharing import make_folder
folder = make_folder(Path(sys.argv[1]))
if os.fork() == 0:
    sys.exit()  # as a worker ends
os.wait()
print(folder.exists())
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "True\n"
    assert list(tmp_path.iterdir()) == []
