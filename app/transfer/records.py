"""Reads files of other systems one user after the other, however long they are.

They are as hostile as any input: each user has a limited length, and JSON is read as strictly as in a request.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, BinaryIO, Final

from app.platform.errors import MalformedJson
from app.platform.strict_json import parse_json
from app.transfer.incoming import Record, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 64 * 1024
"""Bytes of one user."""
_CHUNK: Final = 64 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_OUTSIDE: Final = re.compile(rb'["{}\[\],]')
_INSIDE: Final = re.compile(rb'["\\]')


def json_lines(file: BinaryIO) -> Iterator[Record]:
    """A JSON object in each line; empty lines are skipped."""
    for number, line, is_whole in _lines(file):
        if isinstance(line, RefusedError):
            yield Record(number, line)
        elif line.strip():
            yield Record(number, _object(line, "malformed_json" if is_whole else "cut_off"))


def json_list(file: BinaryIO, key: str | None = None) -> Iterator[Record]:
    """The elements of one list: the whole document, or what the document has under this key."""
    found = _List(key)
    for number, element in enumerate(found.elements(file), 1):
        yield Record(number, element if isinstance(element, RefusedError) else _object(element, "malformed_json"))
    if not found.found:
        yield Record(0, RefusedError("no_users"))


def csv_rows(file: BinaryIO) -> Iterator[Record]:
    """The rows of a CSV file by the names in its header; an empty cell is left out."""
    source = _Rows(file)
    header: list[str] | None = None
    for number, cells in source:
        if isinstance(cells, RefusedError):
            yield Record(number, cells)
        elif header is None:
            header = [cell.strip() for cell in cells]
            if len(set(header)) != len(header):
                yield Record(number, RefusedError("malformed_csv"))
                return
        elif len(cells) != len(header):
            yield Record(number, RefusedError("malformed_csv" if source.is_whole else "cut_off"))
        else:
            yield Record(number, {name: cell for name, cell in zip(header, cells, strict=True) if cell})


def _object(text: bytes, otherwise: str) -> dict[str, object] | RefusedError:
    try:
        found = parse_json(text)
    except MalformedJson:
        return RefusedError(otherwise)
    return found if isinstance(found, dict) else RefusedError("not_an_object")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | RefusedError, bool]]:
    """The lines with their numbers, and whether each has its end; a line that is too long is refused."""
    number, line = 0, file.readline(LONGEST + 1)
    while line:
        number += 1
        if len(line) > LONGEST and not line.endswith(b"\n"):
            while (rest := file.readline(_CHUNK)) and not rest.endswith(b"\n"):
                pass
            yield number, RefusedError("too_long"), rest.endswith(b"\n")
        else:
            yield number, line.removeprefix(_BOM) if number == 1 else line, line.endswith(b"\n")
        line = file.readline(LONGEST + 1)


class _Rows:
    """The cells of each row of a CSV file, with the number of its last line; a row may have several."""

    def __init__(self, file: BinaryIO) -> None:
        self.is_whole = True
        """Whether the last line that was read has its end."""
        self._number = 0
        self._file = _lines(file)

    def __iter__(self) -> Iterator[tuple[int, list[str] | RefusedError]]:
        texts = self._texts()
        while True:
            try:
                for cells in csv.reader(texts, strict=True):
                    if cells:
                        yield self._number, cells
            except csv.Error:  # it goes on with the next line
                yield self._number, RefusedError("malformed_csv" if self.is_whole else "cut_off")
            except RefusedError as refused:
                yield self._number, refused
                texts = self._texts()
            else:
                return

    def _texts(self) -> Iterator[str]:
        for number, line, is_whole in self._file:
            self._number, self.is_whole = number, is_whole
            if isinstance(line, RefusedError):
                raise line
            try:
                yield line.decode()
            except UnicodeDecodeError:
                raise RefusedError("malformed_csv") from None


class _List:
    """Finds the JSON texts of the elements of a list in a document.

    Only brackets, commas and texts are told apart here: whether an element is JSON is seen when it is read.
    """

    def __init__(self, key: str | None) -> None:
        self.found = False
        """Whether the document has the list."""
        self._key = None if key is None else f'"{key}"'.encode()
        self._level = 0
        self._inside_text = False
        self._is_escaped = False
        self._text = bytearray()
        """The last text among the members of the document, which may be the key of a list."""
        self._wanted: int | None = None
        """The level of the elements, while it is in the list."""
        self._element = bytearray()

    def elements(self, file: BinaryIO) -> Iterator[bytes | RefusedError]:
        """The texts; the last one is refused if the document is cut off."""
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            yield from self._take(chunk.removeprefix(_BOM) if self._level == 0 else chunk)
        if self._level or self._inside_text or self._wanted is not None:
            yield RefusedError("cut_off")

    def _take(self, chunk: bytes) -> Iterator[bytes | RefusedError]:
        place, self._is_escaped = (1 if self._is_escaped else 0), False
        self._keep(chunk[:place])
        while found := (_INSIDE if self._inside_text else _OUTSIDE).search(chunk, place):
            if found[0] == b"\\":
                start, place = place, found.end() + 1
                self._is_escaped = place > len(chunk)
                self._keep(chunk[start:place])
                continue
            self._keep(chunk[place : found.start()])
            place = found.end()
            if found[0] == b'"':
                self._turn()
            elif self._level == self._wanted and found[0] in b",]":
                yield from self._end(found[0])
            elif found[0] != b"," and self._nest(found[0]):
                continue
            elif self._wanted is not None:
                self._keep(found[0])
        self._keep(chunk[place:])

    def _turn(self) -> None:
        """A text begins or ends."""
        if not self._inside_text:
            self._inside_text = True
            if self._level == 1:
                self._text.clear()
            self._keep(b'"')
        else:
            self._keep(b'"')
            self._inside_text = False

    def _nest(self, mark: bytes) -> bool:
        """An object or a list begins or ends; returns whether it is the list that is looked for."""
        if mark in b"}]":
            self._level = max(0, self._level - 1)
            return False
        is_wanted = not self.found and mark == b"[" and self._begins_here()
        self._level += 1
        if is_wanted:
            self.found, self._wanted = True, self._level
        return is_wanted

    def _begins_here(self) -> bool:
        return self._level == 0 if self._key is None else (self._level == 1 and self._text == self._key)

    def _end(self, mark: bytes) -> Iterator[bytes | RefusedError]:
        element = bytes(self._element)
        self._element.clear()
        if mark == b"]":
            self._wanted = None
            self._level -= 1
        if mark == b"," or element.strip():
            yield element if len(element) <= LONGEST else RefusedError("too_long")

    def _keep(self, piece: bytes) -> None:
        """Part of an element, of which one byte more than may be is kept; or of a text that may be a key."""
        if self._wanted is not None:
            self._element += piece[: LONGEST + 1 - len(self._element)]
        elif self._inside_text and self._level == 1:
            self._text += piece[: LONGEST - len(self._text)]
