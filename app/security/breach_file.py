"""Looks a password up in a file of breached ones, without a network (OWASP ASVS 6.2.12, NIST SP 800-63B-4 3.1.1.2).

The file is made by `flask passwords load` (`breach_file_maker.py`). It holds a header of 64 bytes, and behind it the
first 8 bytes of each SHA-1, sorted, each once. A password that is not in it is taken for one that is with a probability
of entries / 2^64: with a thousand million entries once in 18 thousand million passwords.

It is read with pread, not mapped into memory: if somebody shortens a mapped file in place, or its disk fails, the
process is killed; a read fails with an error that a request survives. Since digests are evenly spread, a look-up
guesses the place and reads a few blocks of 4 KB, which the system keeps in its cache for all workers.
"""

from __future__ import annotations

import hashlib
import os
import struct
import sys
import weakref
from array import array
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from app.platform.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

WIDTH: Final = 8
"""Bytes of each SHA-1 that the file keeps."""
SUMMED_AT_ONCE: Final = 1 << 20
"""Bytes that are read at once for the checksum."""

_MAGIC: Final = b"LKBREACH"
_VERSION: Final = 1
_HEAD: Final = struct.Struct(">8sHHIQ32s")
"""Magic, version, width, nothing, number of entries, SHA-256 of the entries."""
_HEAD_SUM: Final = 8
"""Bytes of the SHA-256 of all that, which end the header."""
HEADER_BYTES: Final = _HEAD.size + _HEAD_SUM
_BLOCK: Final = 512
"""Entries that are read at once."""
_SAMPLES: Final = 64
"""Blocks that the check at the start looks at."""
_ALL: Final = 1 << 8 * WIDTH
_log = structlog.get_logger("latchkey.passwords")


class BrokenBreachFileError(Exception):
    """The file cannot be used; the text says what is wrong with it."""


class Header(NamedTuple):
    """What a file says of itself: the number of its entries, and their SHA-256."""

    entries: int
    digest: bytes

    def encoded(self) -> bytes:
        """The header as it is at the beginning of a file."""
        head = _HEAD.pack(_MAGIC, _VERSION, WIDTH, 0, self.entries, self.digest)
        return head + hashlib.sha256(head).digest()[:_HEAD_SUM]


def entry_of(password: str) -> int:
    """The entry that a file holds if it knows the password."""
    encoded = password.encode("utf-8", errors="surrogatepass")
    return int.from_bytes(hashlib.sha1(encoded, usedforsecurity=False).digest()[:WIDTH], "big")


def packed(entries: array[int]) -> bytes:
    """The entries as a file holds them."""
    return _swapped(entries).tobytes()


def unpacked(raw: bytes) -> array[int]:
    """The entries in a piece of a file."""
    entries = array("Q")
    entries.frombytes(raw)
    return _swapped(entries)


class BreachFile:
    """The file at `path`; safe for several threads, and for several processes that were forked.

    Raises BrokenBreachFileError if it is missing, cut short or not such a file. The checksum is left to `check`, since
    it takes seconds for each gigabyte; instead, 64 blocks are looked at, whether they are in order.
    """

    is_local = True
    """A look-up takes less than a millisecond: so it may be made at each login."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._refused: tuple[int, ...] | None = None
        self._open = _Opened(path)

    def contains(self, password: str) -> bool:
        """Whether the file holds the password. Takes up a file that has replaced the former one.

        Raises Unavailable, and logs it, if the file cannot be read: to accept any password would be silent, and a disk
        that fails needs its operator. If only what replaced it is unusable, the former one is asked on.
        """
        try:
            return self._newest().has(entry_of(password))
        except (OSError, BrokenBreachFileError) as error:
            _log.error("the breached passwords cannot be read", file=str(self._path), cause=_cause(error))
            raise Unavailable from error

    def check(self) -> str | None:
        """Read all of the file that a start would take now; None if its checksum is right, else what is wrong."""
        try:
            opened = _Opened(self._path)
            opened.check_sum()
        except (OSError, BrokenBreachFileError) as error:
            return _cause(error)
        return None

    @property
    def count(self) -> int:
        """The number of entries."""
        return self._open.header.entries

    def _newest(self) -> _Opened:
        """The file that is at the path now, or the last one that was usable. The lock is held to exchange it only.

        Raises BrokenBreachFileError if the one that is open was overwritten with something else.
        """
        try:
            found = _identity(self._path.stat())
        except OSError:  # removed: the one that is open still has all it had
            return self._open
        with self._lock:
            if found not in (self._open.identity, self._refused):
                self._take_up(found)
            if found == self._refused and found[:2] == self._open.identity[:2]:
                raise BrokenBreachFileError("it was overwritten while it was in use")
            return self._open

    def _take_up(self, found: tuple[int, ...]) -> None:
        try:
            self._open = _Opened(self._path)
        except BrokenBreachFileError as error:
            self._refused = found
            _log.error("a new file of breached passwords is not used", file=str(self._path), cause=str(error))
        else:
            _log.info("a new file of breached passwords is used", entries=self._open.header.entries)


class _Opened:
    """A file that is open, and stays so while a thread reads from it."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise BrokenBreachFileError(f"{path} cannot be opened ({error.strerror})") from None
        weakref.finalize(self, os.close, self._descriptor)  # when no thread reads from it any more
        try:
            found = os.fstat(self._descriptor)
            self.identity = _identity(found)
            self.header = _header(os.pread(self._descriptor, HEADER_BYTES, 0), found.st_size)
            self._check_order()
        except OSError as error:
            raise BrokenBreachFileError(f"{path} cannot be read ({error.strerror})") from None

    def has(self, wanted: int) -> bool:
        """Whether an entry is there: where it would be by its size, or else by halves, so that no file is slow."""
        low, high = 0, self.header.entries
        below, above = 0, _ALL
        guesses = True
        while high - low > _BLOCK:
            share = (wanted - below) * (high - low) // (above - below) if guesses else (high - low) // 2
            start = min(max(low + share - _BLOCK // 2, low), high - _BLOCK)
            block = self._read(start, _BLOCK)
            if block[0] <= wanted <= block[-1]:
                return wanted in block
            if wanted < block[0]:
                high, above = start, block[0]
            else:
                low, below = start + _BLOCK, block[-1] + 1
            guesses = not guesses
        return wanted in self._read(low, high - low)

    def check_sum(self) -> None:
        """Raises BrokenBreachFileError if the entries are not those that the header was made for."""
        digest, place = hashlib.sha256(), HEADER_BYTES
        while piece := os.pread(self._descriptor, SUMMED_AT_ONCE, place):
            digest.update(piece)
            place += len(piece)
        if digest.digest() != self.header.digest:
            raise BrokenBreachFileError("its checksum is wrong")

    def _check_order(self) -> None:
        count = self.header.entries
        last = -1
        for sample in range(_SAMPLES):
            start = count * sample // _SAMPLES
            block = self._read(start, min(_BLOCK, count * (sample + 1) // _SAMPLES - start))
            for entry in block:
                if entry <= last:
                    raise BrokenBreachFileError("its entries are not in order")
                last = entry

    def _read(self, start: int, count: int) -> array[int]:
        raw = os.pread(self._descriptor, count * WIDTH, HEADER_BYTES + start * WIDTH)
        if len(raw) != count * WIDTH:
            raise BrokenBreachFileError("it is cut short")
        return unpacked(raw)


def _header(raw: bytes, size: int) -> Header:
    if len(raw) < HEADER_BYTES or not raw.startswith(_MAGIC):
        raise BrokenBreachFileError("it was not made by flask passwords load")
    magic, version, width, nothing, count, digest = _HEAD.unpack_from(raw)
    if (magic, version, width, nothing) != (_MAGIC, _VERSION, WIDTH, 0):
        raise BrokenBreachFileError("it was made by another version of flask passwords load")
    header = Header(count, digest)
    if header.encoded() != raw:
        raise BrokenBreachFileError("its header is damaged")
    if size != HEADER_BYTES + count * WIDTH:
        raise BrokenBreachFileError(f"it has {size} bytes instead of {HEADER_BYTES + count * WIDTH}")
    return header


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _swapped(entries: array[int]) -> array[int]:
    if sys.byteorder == "little":
        entries = entries[:]
        entries.byteswap()
    return entries


def _cause(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
