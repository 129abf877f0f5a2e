"""The threads of a worker that post notices of logouts: few at once, and fewer to one client."""

from __future__ import annotations

from threading import Condition, Event, Thread
from typing import TYPE_CHECKING, Final

from app.jobs.workers import outlived

if TYPE_CHECKING:
    from app.oauth.logout.backchannel import BackchannelLogout
    from app.oauth.logout_notices.model import LogoutNotice

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
        self._changed = Condition()
        self._under_way: list[str] = []
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
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, seconds)

    def _loop(self) -> None:
        while not self._stopped.wait(BEGIN_EVERY):
            with outlived("logouts"):
                self.begin_due()

    def begin_due(self) -> None:
        """Begin to post what is due, as far as there are places. Raises Unavailable."""
        for notice in self._service.due(_LOOKED_AT):
            with self._changed:
                if len(self._under_way) >= AT_ONCE:
                    return
                is_busy = self._under_way.count(notice.client_id) >= _OF_ONE
            if not is_busy and self._service.claim(notice):
                self._begin(notice)

    def _begin(self, notice: LogoutNotice) -> None:
        def post() -> None:
            try:
                with outlived("logouts"):
                    self._service.attempt(notice)
            finally:
                self._end(notice)

        with self._changed:
            self._under_way.append(notice.client_id)
        try:
            Thread(target=post, name="logout", daemon=True).start()
        except RuntimeError:  # the system gives no more threads: the claim ends by itself
            self._end(notice)
            raise

    def _end(self, notice: LogoutNotice) -> None:
        with self._changed:
            self._under_way.remove(notice.client_id)
            self._changed.notify_all()
