"""Whether the memory is enough for the passwords that are hashed at once (docs/capacity.md)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.security.passwords import memory_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.config import Settings

WORKER_BYTES = 63_000_000
"""A worker that hashes nothing (docs/capacity.md, "What one takes")."""
_MEBIBYTE = 1024 * 1024


def too_little(settings: Settings, root: Path = Path("/")) -> str | None:
    """What is wrong if all threads that hash take their memory at once; None if it is enough, or not known.

    A password that waits for a thread takes none, so the queue does not count.
    """
    passwords, workers = settings.passwords, settings.server.web_concurrency
    hashing = workers * passwords.hash_threads * memory_bytes(passwords.scheme)
    needed, limit = workers * WORKER_BYTES + hashing, limit_bytes(root)
    if limit is None or needed <= limit:
        return None
    return (
        f"{workers} workers with {passwords.hash_threads} hashing threads each need up to {needed // _MEBIBYTE} MiB,"
        f" {hashing // _MEBIBYTE} of them for {passwords.scheme}, and there are {limit // _MEBIBYTE}: lower"
        " HASH_THREADS or WEB_CONCURRENCY, or allow more memory"
    )


def limit_bytes(root: Path = Path("/")) -> int | None:
    """The memory that this process may take: that of the machine, or of its control groups if that is less.

    None if the system does not say. Both versions of control groups are read (cgroups(7)); where a container sees its
    own group as the root, the path that the process is told does not exist, and the root has the limit.
    """
    found = [_number(file) for file in _limits(root)]
    return min((each for each in (*found, _machine(root)) if each is not None), default=None)


def _limits(root: Path) -> Iterator[Path]:
    """The files that may hold a limit: of the process's group, and of each that contains it."""
    mounted = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, name = mounted, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = mounted / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = Path(path.lstrip("/"))
        for each in (group, *group.parents):
            yield top / each / name


def _machine(root: Path) -> int | None:
    """The memory of the machine, from "MemTotal: 24684084 kB" (proc_meminfo(5))."""
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024
    return None


def _number(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.isdecimal() else None  # "max" is no limit


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
