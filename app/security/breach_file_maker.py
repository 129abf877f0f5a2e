"""Makes the file of breached passwords that `breach_file.py` reads.

The input is sorted in pieces of a bounded size, so that its length does not matter for the memory. What comes in order
already, as the download of Pwned Passwords "ordered by hash" does, is written as it comes.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import re
import tempfile
from array import array
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from app.security.breach_file import HEADER_BYTES, SUMMED_AT_ONCE, WIDTH, Header, entry_of, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE: Final = 1_000_000
"""Entries that are sorted in memory at once: some 100 MB."""
_MOST_RUNS: Final = 200
"""Sorted files that are merged at once."""
_LINE: Final = re.compile(rb"([0-9A-Fa-f]{16})[0-9A-Fa-f]{24}(?::([0-9]{1,18}))?")
_LONGEST_LINE: Final = 4096


class WrongLineError(Exception):
    """A line of the input is not what it should be; the text says which, and does not repeat it."""


def hashes_in(lines: IO[bytes]) -> Iterator[int]:
    """The entries of lines of a SHA-1 in hexadecimal digits, with or without `:count`; a count of 0 is padding.

    Empty lines are skipped. Raises WrongLineError.
    """
    for number, line in _lines(lines):
        found = _LINE.fullmatch(line)
        if found is None:
            raise WrongLineError(f"Line {number} is not a SHA-1 in 40 hexadecimal digits, with or without :count")
        if found[2] is None or int(found[2]):
            yield int(found[1], 16)


def words_in(lines: IO[bytes]) -> Iterator[int]:
    """The entries of passwords, one a line, in UTF-8; empty lines are skipped. Raises WrongLineError."""
    for number, line in _lines(lines):
        try:
            yield entry_of(line.decode())
        except UnicodeDecodeError:
            raise WrongLineError(f"Line {number} is not UTF-8") from None


def write(entries: Iterable[int], to: Path, *, piece: int = PIECE) -> int:
    """Make the file at `to`, or replace it at once; returns how many entries it has.

    Until it is complete and on the disk, nothing is at `to`, or the former file. The folder needs room for twice the
    size of the file. Raises OSError, and whatever `entries` raises.
    """
    with tempfile.TemporaryDirectory(prefix=f".{to.name}.", dir=to.parent) as folder:
        made = Path(folder, "made")
        count = _write(_sorted(entries, Path(folder), piece), made, piece)
        made.chmod(0o644)  # the digests of public breaches are no secret, and the service may be another user
        made.replace(to)
        _sync(to.parent)
    return count


def _lines(lines: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := lines.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            raise WrongLineError(f"Line {number} is longer than {_LONGEST_LINE} bytes")
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line := line.rstrip(b"\r\n"):
            yield number, line


def _sorted(entries: Iterable[int], folder: Path, piece: int) -> Iterator[int]:
    """The same entries in order, each once."""
    runs: list[Path] = []
    last, made, unread = -1, 0, iter(entries)
    while block := array("Q", sorted(set(islice(unread, piece)))):
        if not runs or block[0] < last:
            if len(runs) == _MOST_RUNS:
                merged = folder / f"merged-{made}"
                _write_run(_merged(runs, piece), merged, piece)
                for run in runs:
                    run.unlink()
                runs = [merged]
            made += 1
            runs.append(folder / f"run-{made}")
        with runs[-1].open("ab") as file:
            file.write(packed(block))
        last = block[-1]
    yield from _merged(runs, piece)


def _merged(runs: list[Path], piece: int) -> Iterator[int]:
    last = -1
    at_once = max(1, piece // max(1, len(runs)))
    for entry in heapq.merge(*(_read_run(run, at_once) for run in runs)):
        if entry != last:
            yield entry
        last = entry


def _read_run(run: Path, at_once: int) -> Iterator[int]:
    with run.open("rb") as file:
        while raw := file.read(min(at_once * WIDTH, SUMMED_AT_ONCE)):
            yield from unpacked(raw)


def _write_run(entries: Iterator[int], to: Path, piece: int) -> None:
    with to.open("wb") as run:
        while block := array("Q", islice(entries, piece)):
            run.write(packed(block))


def _write(entries: Iterator[int], to: Path, piece: int) -> int:
    digest, count = hashlib.sha256(), 0
    with to.open("wb") as made:
        made.write(bytes(HEADER_BYTES))
        while block := array("Q", islice(entries, piece)):
            raw = packed(block)
            digest.update(raw)
            made.write(raw)
            count += len(block)
        made.seek(0)
        made.write(Header(count, digest.digest()).encoded())
        made.flush()
        os.fsync(made.fileno())
    return count


def _sync(folder: Path) -> None:
    """Have the disk keep the new name, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
