"""A wire to a server that a test can lay elsewhere, slow down, or tear."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread

_AT_ONCE = 65536


class Wire:
    """Takes connections on `port` of the loopback and carries them to the port `leads_to`."""

    def __init__(self, leads_to: int) -> None:
        self.leads_to = leads_to
        self.delay = 0.0
        """The seconds that each part of an answer takes longer."""
        self.tears = False
        """Whether of the next part of an answer only a half arrives, and then the connection ends."""
        self._ending = Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: set[socket.socket] = set()
        self._lock = Lock()
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """End every connection that there is."""
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            _shut(end)

    def close(self) -> None:
        """End it with its connections."""
        self._ending.set()
        _shut(self._listener)
        self._threads[0].join()
        self._listener.close()
        self.cut()
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.leads_to))
                except OSError:
                    client.close()
                    continue
                thread = Thread(target=self._carry_both, args=(client, server))
                thread.start()
                self._threads.append(thread)

    def _carry_both(self, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            self._ends |= {client, server}
        there = Thread(target=self._carry, args=(client, server))
        there.start()
        self._carry(server, client, answers=True)
        there.join()
        with self._lock:
            self._ends -= {client, server}
        client.close()
        server.close()

    def _carry(self, source: socket.socket, target: socket.socket, *, answers: bool = False) -> None:
        with suppress(OSError):
            while part := source.recv(_AT_ONCE):
                if answers and self.delay:
                    self._ending.wait(self.delay)
                if answers and self.tears:
                    target.sendall(part[: len(part) // 2])
                    break
                target.sendall(part)
        # An end that is gone is gone for both: nobody carries on with half a connection.
        _shut(source)
        _shut(target)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire(leads_to: int) -> Iterator[Wire]:
    """A wire to this port, for as long as the context lasts."""
    laid = Wire(leads_to)
    try:
        yield laid
    finally:
        laid.close()
