"""The shared counts of the workers of one instance: files in memory, which any worker adds up on request.

Each worker has a number, the lowest that no live worker has, and files with that number. The next worker with the
number continues them, so no count is lost with a worker, however it ends, and the files are never more than those of
the most workers that were alive at once.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from itertools import count
from pathlib import Path
from shutil import rmtree
from typing import IO, TYPE_CHECKING, ClassVar, Final

from prometheus_client import values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client looks for the name of the folder."""
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder in it is made by mkdtemp
_PREFIX: Final = "latchkey-metrics-"
_BEFORE_THE_FORK: Final = "start"
"""What the files of the process that made the folder are called by."""


class Sharing:
    """A collector of everything that the processes of one instance count, and the numbers of its workers."""

    begun: ClassVar[Sharing | None] = None
    """The instance of this process; None in a process that shares nothing: a test, or a command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._owner = (os.getpid(), _BEFORE_THE_FORK)
        self._held: IO[bytes] | None = None

    def mine(self) -> str:
        """What the files of this process are called by; takes a number at the first call in a new process."""
        if self._owner[0] != os.getpid():
            self._owner = (os.getpid(), str(self._take()))
        return self._owner[1]

    def workers(self) -> dict[str, int]:
        """The process ids of the live workers, by their numbers; asked by one of them."""
        found = {}
        for file in self.folder.glob("worker_*"):
            text = file.read_text()
            if text and _parent_of(int(text)) == os.getppid():  # a number may be another process's by now
                found[file.name.removeprefix("worker_")] = int(text)
        return found

    def collect(self) -> Iterable[Metric]:
        """The sums over all workers, including those that have ended; gauges count live workers only."""
        live = self.workers()
        files = [
            str(file)
            for file in self.folder.glob("*.db")
            if not file.name.startswith("gauge_live") or file.stem.split("_")[2] in live
        ]
        metrics: Iterable[Metric] = MultiProcessCollector.merge(filter(_has_begun, files))
        return metrics

    def _take(self) -> int:
        """Take the lowest number that is free, for as long as this process lives."""
        number = next(number for number in count() if self._hold(number))
        mark_process_dead(number, self.folder)  # what only counts of the living, of the one before
        return number

    def _hold(self, number: int) -> bool:
        """Lock the file of a number, and write down who has it; the kernel unlocks it when this process is gone."""
        file = (self.folder / f"worker_{number}").open("ab")
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        self._held = file
        return True


def begin() -> Path:
    """Let this process and its forks count together. Returns the folder; its name belongs in VARIABLE.

    Called before the first metric is made. The folder goes when this process ends; one that was killed leaves it to
    the next start.
    """
    if Sharing.begun is None:  # gunicorn reads its settings again on SIGHUP
        folder = make_folder(_MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir()))
        Sharing.begun = Sharing(folder)
        values.ValueClass = values.MultiProcessValue(Sharing.begun.mine)
    return Sharing.begun.folder


def make_folder(place: Path) -> Path:
    """Make a new folder in `place` that nobody else uses, and remove abandoned ones."""
    for left in place.glob(f"{_PREFIX}*"):
        _remove_if_left(left)
    folder, made_by = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place)), os.getpid()
    lock = (folder / "new").open("wb")
    flock(lock, LOCK_EX)
    (folder / "new").rename(folder / "alive")  # only now: a folder that can be locked was left behind

    def remove() -> None:
        if os.getpid() == made_by:  # not at the end of a worker
            lock.close()
            rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def _remove_if_left(folder: Path) -> None:
    """Remove a folder of this user that no process holds: neither the one that made it nor its workers."""
    with suppress(OSError):
        if folder.lstat().st_uid == os.getuid():
            with (folder / "alive").open("rb") as lock:
                flock(lock, LOCK_EX | LOCK_NB)
                rmtree(folder)


def _has_begun(file: str) -> bool:
    """Whether there is anything in a file: a worker makes it empty, and may remove it."""
    try:
        return Path(file).stat().st_size > 0
    except FileNotFoundError:
        return False


def _parent_of(pid: int) -> int | None:
    """The parent of a process; None if there is no such process."""
    try:
        return int(stat_of(pid)[1])
    except OSError:
        return None


def stat_of(pid: int) -> list[str]:
    """What proc(5) tells of a process behind its name: state, parent, and so on. Raises OSError if it is gone."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
