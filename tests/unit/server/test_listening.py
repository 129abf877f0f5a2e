"""No connection that the kernel has accepted is lost, neither at the stop nor for want of file descriptors."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing
from threading import Event
from typing import TYPE_CHECKING

import pytest

from app.server import listening
from tests.unit.server.served import BRIEF, GET, LONG, no_descriptors, reply

if TYPE_CHECKING:
    from tests.unit.server.served import Served


def test_without_file_descriptors_connections_wait_and_nothing_dies(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_PAUSE_SECONDS", BRIEF)
    paused = Event()
    monkeypatch.setattr(served.worker.log, "warning", lambda *_: paused.set())
    with closing(served.connect()) as there, closing(socket.socket()) as late:
        there.sendall(GET)
        reply(there)
        with no_descriptors():
            late.connect(served.listener.getsockname())
            late.sendall(GET)
            assert paused.wait(LONG)
            there.sendall(GET)
            assert b"200 OK" in reply(there)
        late.settimeout(LONG)
        assert b"200 OK" in reply(late)


def test_a_connection_that_the_kernel_has_taken_before_the_stop_is_answered(served: Served) -> None:
    with ExitStack() as opened:
        with served.busy():
            connection = opened.enter_context(closing(served.connect()))
            connection.sendall(GET)
            served.stop()

        assert b"200 OK" in reply(connection)
    assert served.ends()


def test_a_worker_stopped_during_boot_answers_open_connections_and_ends(booting: Served) -> None:
    with closing(booting.connect()) as connection:
        connection.sendall(GET)
        booting.stop()
        booting.thread.start()

        assert b"200 OK" in reply(connection)
    assert booting.ends()


def test_after_the_stop_the_kernel_refuses_connections(served: Served) -> None:
    address = served.listener.getsockname()
    served.stop()
    assert served.ends()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=LONG)
