"""Each call ends for its caller in time; its connection is cut off, and no more run at once than may."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

from app.security.bounded_calls import BoundedCalls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.security.bounded_calls import Watch

ROOT = Path(__file__).parents[3]
LONG = 10_000.0
"""Seconds that no test waits for: one that hangs is ended by its own limit."""
BRIEF = 0.05
"""Seconds that a test waits out."""
pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def wires() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def gate() -> Iterator[Event]:
    """What calls wait for; open at the end."""
    gate = Event()
    yield gate
    gate.set()
    for thread in threads("late"):
        thread.join()


def run_late(calls: BoundedCalls, gate: Event) -> None:
    """A call without a connection, as in the resolution of a name, which goes on behind its time."""
    with pytest.raises(TimeoutError, match="timed out"):
        calls.run(lambda _watch: gate.wait(), BRIEF)


def threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_a_call_gives_what_it_gives_and_raises_what_it_raises() -> None:
    calls = BoundedCalls("calls", 1)

    assert calls.run(lambda _watch: "answer", LONG) == "answer"
    with pytest.raises(ZeroDivisionError):
        calls.run(lambda _watch: 1 // 0, LONG)
    with pytest.raises(TimeoutError, match="of its own"):
        calls.run(_time_out, LONG)


def _time_out(_watch: Watch) -> None:
    raise TimeoutError("of its own")


def test_the_connection_of_a_call_is_cut_off_when_its_time_is_up(wires: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = wires
    ended = Event()

    def read(watch: Watch) -> None:
        try:
            watch(ours)
            ours.recv(1)
        finally:
            ended.set()

    with pytest.raises(TimeoutError, match="timed out"):
        BoundedCalls("calls", 1).run(read, BRIEF)
    assert theirs.recv(1) == b""
    assert ended.wait()


def test_a_connection_that_comes_when_the_time_is_up_is_closed(
    wires: tuple[socket.socket, socket.socket], gate: Event
) -> None:
    ours, theirs = wires
    refused = Event()

    def connect(watch: Watch) -> None:
        gate.wait()
        with pytest.raises(TimeoutError):
            watch(ours)
        refused.set()

    with pytest.raises(TimeoutError):
        BoundedCalls("calls", 1).run(connect, BRIEF)
    gate.set()
    assert refused.wait()
    assert theirs.recv(1) == b""


def test_no_more_calls_run_at_once_than_may_and_the_others_wait(gate: Event) -> None:
    calls, lock, begun, running = BoundedCalls("calls", 2), threading.Lock(), threading.Semaphore(0), [0]

    def call(_watch: Watch) -> int:
        with lock:
            running[0] += 1
            now = running[0]
        begun.release()
        gate.wait()
        with lock:
            running[0] -= 1
        return now

    with ThreadPoolExecutor(6) as callers:
        asked = [callers.submit(calls.run, call, LONG) for _ in range(6)]
        for _ in range(2):
            assert begun.acquire()
        gate.set()
        assert {answer.result() for answer in asked} <= {1, 2}


def test_while_late_calls_keep_every_place_the_next_fails_at_once(gate: Event) -> None:
    calls = BoundedCalls("late", 3)
    for _ in range(3):
        run_late(calls, gate)

    with pytest.raises(TimeoutError, match="timed out"):
        calls.run(lambda _watch: None, LONG)
    assert len(threads("late")) == 3


def test_a_late_call_gives_its_place_back_when_it_ends(gate: Event) -> None:
    calls = BoundedCalls("late", 1)
    run_late(calls, gate)
    (thread,) = threads("late")

    gate.set()
    thread.join()
    assert calls.run(lambda _watch: "answer", LONG) == "answer"


def test_a_call_whose_thread_cannot_start_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = BoundedCalls("calls", 1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _refuse)
        with pytest.raises(RuntimeError):
            calls.run(lambda _watch: None, LONG)

    assert calls.run(lambda _watch: "answer", LONG) == "answer"


def _refuse(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_the_end_of_the_process_waits_for_no_call() -> None:
    program = """
from threading import Event
from app.security.bounded_calls import BoundedCalls
try:
    BoundedCalls("calls", 1).run(lambda watch: Event().wait(), 0.01)
except TimeoutError:
    print("ended")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "ended\n"
