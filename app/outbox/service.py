"""Does what waits in the outbox: claims a holder of entries, has each entry handled, and settles what came of it.

A worker claims a holder by a conditional write that postpones it; if the worker dies, another takes over. So each entry
is done once, and after a crash at least once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias

import structlog

from app.outbox.model import CLAIMED_FOR, LONGEST_RETRY, Claimed, Entry, Holders, Key, Owner
from app.platform.errors import Unavailable
from app.platform.log import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from app.platform.clock import Clock

Handler: TypeAlias = "Callable[[Owner, Entry], datetime | None]"
"""Does an entry of what holds it; gives when to try again, None when it is done. Doing it twice has to be harmless."""
BEGINS_FOR: Final = timedelta(minutes=1)
"""How long a claim lets a worker begin with entries: one takes at most half a minute."""
FIRST_RETRY: Final = timedelta(seconds=15)
_AT_ONCE: Final = 50
_COUNTED: Final = 1000
"""The most of each kind of holders that `waiting` counts."""
_log = structlog.get_logger("latchkey.outbox")


@dataclass(frozen=True, slots=True)
class Box(Generic[Key, Owner]):
    """One kind of holders, and who handles their entries, by kind."""

    holders: Holders[Key, Owner]
    handlers: Mapping[str, Handler[Owner]]
    polled: bool = False
    """Whether what is queued here wakes nobody, and waits for the next check: so no reply shows what work it is.

    Such a box is taken up before the others, in which its handlers queue the work.
    """


class Wakes(Event):
    """Set when something was queued in a box that is not polled, so that the courier of this worker starts at once."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """All boxes: first those that are polled, else in their order."""

    boxes: tuple[Box[Any, Any], ...]
    clock: Clock
    wakes: Wakes

    def deliver_due(self) -> int:
        """Take up everything that is due now; returns the number of holders. Raises Unavailable."""
        done = self._deliver_all(box for box in self.boxes if box.polled)
        # What was queued until now is found below: another round would be work for some requests only.
        self.wakes.clear()
        return done + self._deliver_all(box for box in self.boxes if not box.polled)

    def waiting(self) -> int:
        """How many holders have something to do, including what waits for a retry.

        It counts up to 1,000 of each kind. Raises Unavailable.
        """
        until = self.clock() + max(LONGEST_RETRY, CLAIMED_FOR)
        return sum(len(box.holders.due(until, _COUNTED)) for box in self.boxes)

    def _deliver_all(self, boxes: Iterable[Box[Any, Any]]) -> int:
        done = 0
        for box in boxes:
            try:
                done += self._deliver(box)
            except Unavailable:
                raise
            except Exception:  # noqa: BLE001 - whatever it is, the other boxes are served
                _log.exception("outbox failed")
        return done

    def _deliver(self, box: Box[Key, Owner]) -> int:
        done, broken = 0, set[Key]()
        while due := [key for key in box.holders.due(self.clock(), _AT_ONCE + len(broken)) if key not in broken]:
            for key in due:
                try:
                    done += self._serve(box, key)
                except Unavailable:
                    raise
                except Exception:  # noqa: BLE001 - one that cannot be read, for example: the others are served
                    broken.add(key)
                    _log.exception("outbox failed", holder=getattr(key, "id", key))
        return done

    def _serve(self, box: Box[Key, Owner], key: Key) -> bool:
        """Do the entries of one holder, if no other worker does; True if this one did."""
        now = self.clock()
        claimed = box.holders.claim(key, now, now + CLAIMED_FOR)
        if claimed is None:
            return False
        outcomes: dict[str, Entry | None] = {}
        self._do(box, claimed, claimed.first, outcomes, until=now + BEGINS_FOR)
        if all(entry.id in outcomes and outcomes[entry.id] is None for entry in claimed.first):
            self._do(box, claimed, claimed.entries, outcomes, until=now + BEGINS_FOR)
        box.holders.settle(claimed, outcomes, self.clock())
        return True

    def _do(
        self,
        box: Box[Key, Owner],
        claimed: Claimed[Owner],
        entries: Iterable[Entry],
        outcomes: dict[str, Entry | None],
        *,
        until: datetime,
    ) -> None:
        for entry in entries:
            if self.clock() >= until:
                return
            outcomes[entry.id] = self._outcome(box, claimed.owner, entry)

    def _outcome(self, box: Box[Key, Owner], owner: Owner, entry: Entry) -> Entry | None:
        """What is left of an entry once it was tried. One that fails postpones itself and no other."""
        handler = box.handlers.get(entry.kind)
        if handler is None:  # of a newer version, which takes it up itself, or will when it is back
            return replace(entry, due_at=self.clock() + LONGEST_RETRY)
        try:
            again_at = handler(owner, entry)
        except Unavailable as error:
            _log.warning("entry failed", kind=entry.kind, entry_id=entry.id, cause=reason_of(error))
            again_at = self.clock() + retry_after(entry.attempts)
        except Exception:  # noqa: BLE001 - whatever it is, the other entries are done
            _log.exception("entry failed", kind=entry.kind, entry_id=entry.id)
            again_at = self.clock() + retry_after(entry.attempts)
        return None if again_at is None else replace(entry, due_at=again_at, attempts=entry.attempts + 1)


def retry_after(attempts: int) -> timedelta:
    """How long to wait after an attempt that failed, as `attempts` did before it."""
    return min(FIRST_RETRY * (1 << min(attempts, 20)), LONGEST_RETRY)
