"""A connection to PostgreSQL that never waits too long for an answer, and leaves no statement running."""

from __future__ import annotations

import select
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg
from psycopg import conninfo as info
from psycopg.pq import ConnStatus, TransactionStatus

from app.store.sql.backend import ANSWER_SECONDS
from app.store.sql.places import CANCEL_SECONDS, see_off
from app.store.sql.waits import network_seconds_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg.abc import RV, PQGen, PQGenConn

# The server gives up a little before this process does, so that the connection can be kept.
STATEMENT_MILLISECONDS: Final = ANSWER_SECONDS * 1000 - 200


class TimedConnection(psycopg.Connection[Any]):
    """A connection that waits for an answer for at most ANSWER_SECONDS, or as long as the request has left.

    libpq has no such limit: it would wait forever for a server that hangs while its machine still acknowledges packets.
    """

    gone: Callable[[], None] | None = None
    _left = False

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Self]:
        """One attempt at one address, within `connect_timeout` seconds; psycopg would wait for at least 2."""
        seconds = float(info.conninfo_to_dict(conninfo).get("connect_timeout") or ANSWER_SECONDS)
        until = monotonic() + network_seconds_for(seconds)
        steps = super()._connect_gen(conninfo)
        step = next(steps)
        while True:
            ready = yield step
            if monotonic() >= until:
                steps.close()
                raise psycopg.errors.ConnectionTimeout("connection timeout expired")
            try:
                step = steps.send(ready)
            except StopIteration as end:
                made: Self = end.value
                return made

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = ANSWER_SECONDS) -> RV:
        return super().wait(gen, interval, network_seconds_for(ANSWER_SECONDS if timeout is None else timeout))

    def close(self) -> None:
        """End the connection; if a statement is under way, only once the server has ended it."""
        if self._left:
            return
        self._left = True
        if self.pgconn.status == ConnStatus.OK and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
            see_off(self._cancel, self._ended, self._finish)
        else:
            self._finish()

    def _cancel(self) -> None:
        self.cancel_safe(timeout=CANCEL_SECONDS)

    def _ended(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0 and poll.poll(left * 1000):
            self.pgconn.consume_input()  # raises when the server closed the connection
            while not self.pgconn.is_busy():
                if self.pgconn.get_result() is None:
                    return True
        return False

    def _finish(self) -> None:
        super().close()
        self.pgconn.finish()  # for psycopg, a lost connection is closed already
        self._give_place()

    def __del__(self, *rest: Any) -> None:  # noqa: ANN401 - psycopg's
        super().__del__(*rest)
        self._give_place()

    def _give_place(self) -> None:
        gone, self.gone = self.gone, None
        if gone is not None:
            gone()
