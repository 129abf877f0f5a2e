"""A request that is being received: how much has arrived, so that no thread starts on it too early.

This only finds out when it is complete. Only gunicorn's parser interprets the request, from the same bytes: if the two
differ, the request is handed over too early, and refused because a part is missing.
"""

from __future__ import annotations

import re

from gunicorn.http.body import CHUNK_EXT_RE
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.http.unreader import Unreader

LONGEST_HEAD = 32 * 1024
"""Bytes of the request line and the headers together."""
_MARGIN = 8 * 1024
"""The most bytes that gunicorn reads ahead."""
_WIRE = 8
"""How many times longer than its content a chunked body may be; with chunks of one byte it is six times longer."""
_BARE_LF = re.compile(rb"(?<!\r)\n")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})(?:[ \t]*(;.*))?")


class Incoming:
    """The received bytes of one request, and of what follows it.

    `longest_body` is in bytes; of a longer body, only the beginning is awaited.
    """

    def __init__(self, longest_body: int) -> None:
        self.bytes = bytearray()
        self.whole = False
        """Whether the request is complete; else it is handed over to be refused."""
        self.ended = False
        """Whether the client has finished sending."""
        self._longest_body = longest_body
        self._head_ends: int | None = None
        self._body_ends: int | None = None
        """None for a chunked body, until its end is found."""
        self._next = 0
        """Where the first incomplete chunk begins."""
        self._content = 0
        """Bytes of content in the chunks before it."""
        self._asks = False

    @property
    def asks_whether_to_go_on(self) -> bool:
        """Whether the client waits for 100 before it sends its body (RFC 9110 section 10.1.1); true only once."""
        asks, self._asks = self._asks, False
        return asks

    def feed(self, part: bytes) -> bool:
        """Add received bytes. Returns whether a thread can now handle the request."""
        seen = len(self.bytes)
        self.bytes += part
        if self._head_ends is None and not self._find_head(seen):
            return len(self.bytes) > LONGEST_HEAD or bool(_BARE_LF.search(self.bytes, seen))
        if self._body_ends is None and not self._find_last_chunk():
            return False
        self.whole = self._body_ends is not None and len(self.bytes) >= self._body_ends
        return self.whole or self._body_ends is None or self._body_ends - self._start > self._longest_body

    @property
    def _start(self) -> int:
        return self._head_ends or 0

    def _find_head(self, seen: int) -> bool:
        """Look for the end of the head after the bytes `seen`, and read the body's length; whether it was found."""
        if (found := self.bytes.find(b"\r\n\r\n", max(0, seen - 3))) < 0:
            return False
        self._head_ends = self._next = found + 4
        head = bytes(self.bytes[: self._head_ends - 2])
        lengths, chunked = _LENGTH.findall(head), _CHUNKED.search(head)
        if chunked and not lengths:
            self._asks = bool(_EXPECTS.search(head))
            return True
        length = int(lengths[0]) if len(lengths) == 1 and not chunked else 0  # else gunicorn refuses it
        self._body_ends = self._head_ends + length
        self._asks = bool(_EXPECTS.search(head)) and length <= self._longest_body
        return True

    def _find_last_chunk(self) -> bool:
        """Look for the end of the last chunk (RFC 9112 section 7.1); False if more bytes have to come.

        True without an end for a body that gunicorn refuses or that is too long.
        """
        wire = self.bytes
        while True:
            if self._content > self._longest_body + _MARGIN or len(wire) - self._start > self._most_wire:
                return True
            line_ends = wire.find(b"\r\n", self._next, self._next + _MARGIN)
            if line_ends < 0:
                return len(wire) - self._next > _MARGIN or bool(_BARE_LF.search(wire, self._next))
            size = _SIZE.fullmatch(wire, self._next, line_ends)
            if size is None or (size[2] and not CHUNK_EXT_RE.fullmatch(size[2])):
                return True
            length = int(size[1], 16)
            if length == 0:
                return self._find_end_of_trailers(line_ends)
            chunk_ends = line_ends + 2 + length
            if len(wire) < chunk_ends + 2:
                there = self._content + max(0, len(wire) - line_ends - 2)
                return there > self._longest_body + _MARGIN
            if wire[chunk_ends : chunk_ends + 2] != b"\r\n":
                return True
            self._content += length
            self._next = chunk_ends + 2

    def _find_end_of_trailers(self, last_line_ends: int) -> bool:
        if (found := self.bytes.find(b"\r\n\r\n", last_line_ends)) < 0:
            return len(self.bytes) - last_line_ends > LONGEST_HEAD
        self._body_ends = found + 4
        return True

    @property
    def _most_wire(self) -> int:
        return _WIRE * self._longest_body + LONGEST_HEAD


class Received(Unreader):  # type: ignore[misc] # gunicorn has no types
    """The received bytes, for gunicorn's parser. It never waits for more, since its thread would wait, too."""

    ended = False

    def take_up(self, incoming: Incoming) -> None:
        """Read these next."""
        self.unread(bytes(incoming.bytes))
        self.ended = incoming.ended

    def chunk(self, size_hint: int | None = None) -> bytes:  # noqa: ARG002 - the signature is gunicorn's
        """The end of the received bytes; raises LimitRequestHeaders if the client could have sent more."""
        if self.ended:
            return b""
        raise LimitRequestHeaders("the request is longer than allowed")
