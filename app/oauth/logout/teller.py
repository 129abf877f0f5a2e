"""The threads of a worker that post notices of logouts: few at once, and fewer to one client."""

from __future__ import annotations

from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from app.jobs.under_way import UnderWay
from app.jobs.workers import outlived

if TYPE_CHECKING:
    from app.oauth.logout.backchannel import BackchannelLogout

BEGIN_EVERY: Final = 2
"""Seconds between checks for what is due."""
AT_ONCE: Final = 4
"""Notices that are posted at once."""
_OF_ONE: Final = 2
"""Of these, to one client."""
_LOOKED_AT: Final = 100
_PATIENCE: Final = 3
"""Seconds that `stop` waits for what is being posted; the rest is posted again by another worker."""


class Teller:
    """Begins what is due; each notice is claimed first."""

    def __init__(self, service: BackchannelLogout) -> None:
        self._service = service
        self._clients: UnderWay[str] = UnderWay("logouts")
        self._stopped = Event()

    def start(self) -> None:
        """Start the thread that begins attempts."""
        Thread(target=self._loop, name="logouts", daemon=True).start()

    def stop(self) -> None:
        """Begin no more, and wait for a short time for those that are under way."""
        self._stopped.set()
        self.wait(_PATIENCE)

    def wait(self, seconds: float) -> bool:
        """Wait for all that is being posted; whether it is done."""
        return self._clients.wait(seconds)

    def _loop(self) -> None:
        while not self._stopped.wait(BEGIN_EVERY):
            with outlived("logouts"):
                self.begin_due()

    def begin_due(self) -> None:
        """Begin to post what is due, as far as there are places. Raises Unavailable."""
        full: set[str] = set()
        # Those of a client that has its places are passed over, however many: others are not to wait behind them.
        while not self._stopped.is_set() and (due := self._service.due(_LOOKED_AT, beside=full)):
            for notice in due:
                clients = self._clients.items()
                if len(clients) >= AT_ONCE:
                    return
                if clients.count(notice.client_id) >= _OF_ONE:
                    full.add(notice.client_id)
                elif self._service.claim(notice):
                    self._clients.begin(notice.client_id, partial(self._service.attempt, notice))
