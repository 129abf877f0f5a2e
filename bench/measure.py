"""Figures of processes from the kernel, and the spread of samples."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TICKS = os.sysconf("SC_CLK_TCK")
# proc(5): fields 14 to 17 of stat, counted after the name in parentheses, which is field 2.
_USER, _SYSTEM, _ENDED_USER, _ENDED_SYSTEM = 11, 12, 13, 14


def cpu_seconds(pids: Iterable[int]) -> float:
    """The processor time of these processes, and of their children that have ended."""
    ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended, and counts with its parent
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(fields[index]) for index in (_USER, _SYSTEM, _ENDED_USER, _ENDED_SYSTEM))
    return ticks / _TICKS


def pss_bytes(pids: Iterable[int]) -> int:
    """The memory of these processes; shared pages count in proportion (PSS, proc(5))."""
    kibibytes = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kibibytes += int(line.split()[1])
    return kibibytes * 1024


def sync_milliseconds(folder: Path) -> float:
    """How long it takes here to make a written page durable, as each commit does: the median of 50."""
    took = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            began = time.monotonic()
            os.fdatasync(file.fileno())
            took.append(time.monotonic() - began)
    return median(took) * 1000


@dataclass(frozen=True, slots=True)
class Spread:
    """The samples of all rounds: their median and extremes."""

    median: float
    least: float
    most: float

    @classmethod
    def from_samples(cls, samples: Sequence[float]) -> Spread:
        """The spread of one sample or more."""
        return cls(median(samples), min(samples), max(samples))
