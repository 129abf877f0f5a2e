"""What threads of a worker are at: each posts one thing to a server of somebody else, while others wait."""

from __future__ import annotations

from threading import Condition, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from app.jobs.workers import outlived

if TYPE_CHECKING:
    from collections.abc import Callable

ItemT = TypeVar("ItemT")


class UnderWay(Generic[ItemT]):
    """Knows what is under way, by the receiver or whatever else its places are counted by."""

    def __init__(self, name: str) -> None:
        """`name` is that of the threads, and of what they log if they fail."""
        self._name = name
        self._changed = Condition()
        self._items: list[ItemT] = []

    def items(self) -> list[ItemT]:
        """What is under way now."""
        with self._changed:
            return list(self._items)

    def begin(self, item: ItemT, work: Callable[[], object]) -> None:
        """Do the work in a thread of its own; a failure ends that thread alone.

        Raises RuntimeError if the system gives no more threads.
        """

        def run() -> None:
            try:
                with outlived(self._name):
                    work()
            finally:
                self._end(item)

        with self._changed:
            self._items.append(item)
        try:
            Thread(target=run, name=self._name, daemon=True).start()
        except RuntimeError:
            self._end(item)
            raise

    def wait(self, seconds: float) -> bool:
        """Wait for all that is under way; whether it is done."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._items, seconds)

    def _end(self, item: ItemT) -> None:
        with self._changed:
            self._items.remove(item)
            self._changed.notify_all()
