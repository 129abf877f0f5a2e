"""A connection to MySQL or MariaDB that never waits too long for an answer, and leaves no statement running."""

from __future__ import annotations

import select
import sys
from contextlib import closing, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import ER

from app.store.sql.backend import ANSWER_SECONDS
from app.store.sql.mysql_errors import code_of
from app.store.sql.places import CANCEL_SECONDS, see_off
from app.store.sql.waits import network_seconds_for

if TYPE_CHECKING:
    from collections.abc import Callable


class TimedConnection(pymysql.Connection):  # type: ignore[misc]  # PyMySQL has no types
    """A connection that waits for an answer for at most ANSWER_SECONDS, or as long as the request has left."""

    gone: Callable[[], None] | None = None
    _sock: Any
    _current_timeout: float | None

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - PyMySQL's
        self._arguments = arguments
        super().__init__(**arguments)

    def _read_bytes(self, num_bytes: int) -> bytes:
        self._limit()
        return super()._read_bytes(num_bytes)  # type: ignore[no-any-return]

    def _write_bytes(self, data: bytes) -> None:
        self._limit()
        self._write_timeout = self._current_timeout
        super()._write_bytes(data)

    def _limit(self) -> None:
        if self._sock is not None:
            seconds = network_seconds_for(ANSWER_SECONDS)
            if seconds != self._current_timeout:
                self._sock.settimeout(seconds)
                self._current_timeout = seconds

    def _force_close(self) -> None:
        """End the connection; after a time-out, only once the server has ended the statement."""
        sock, thread = self._sock, getattr(self, "server_thread_id", None)
        gone, self.gone = self.gone, None
        if gone is not None and sock is not None and thread and isinstance(sys.exc_info()[1], TimeoutError):
            self._sock = self._rfile = None

            def close() -> None:
                with suppress(OSError):
                    sock.close()
                gone()

            see_off(lambda: self._kill(thread[0]), lambda seconds: _is_closed(sock, seconds), close)
            return
        super()._force_close()
        if gone is not None:
            gone()

    __del__ = _force_close

    def _kill(self, thread: int) -> None:
        """Have the server end this connection, through another one."""
        limits = {"connect_timeout": CANCEL_SECONDS, "read_timeout": CANCEL_SECONDS, "write_timeout": CANCEL_SECONDS}
        with closing(pymysql.connect(**self._arguments | limits)) as other:
            try:
                other.kill(thread)
            except pymysql.Error as error:
                if code_of(error) != ER.NO_SUCH_THREAD:
                    raise


def _is_closed(sock: Any, seconds: float) -> bool:  # noqa: ANN401 - a socket, or one of TLS
    """Whether the server closes the connection within this many seconds."""
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    until = monotonic() + seconds
    while (left := until - monotonic()) > 0 and poll.poll(left * 1000):
        try:
            sock.settimeout(left)
            if not sock.recv(65536):
                return True
        except TimeoutError:
            return False
        except OSError:
            return True
    return False
