"""How gunicorn writes a reply: in one write."""

from __future__ import annotations

import errno
from typing import Any

from gunicorn.http import wsgi


class Reply(wsgi.Response):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's reply, with the headers in the same write as the first part of the body.

    A worker that is killed between two writes would leave a proxy with half a reply, too late to try another instance.
    """

    sock: Any
    _held = b""

    def sendall(self, written: bytes) -> None:
        """Keep what gunicorn writes as headers."""
        self._held = written

    def send_headers(self) -> None:
        """Make the headers, to be sent with the next part."""
        connection, self.sock = self.sock, self
        try:
            super().send_headers()
        finally:
            self.sock = connection

    def can_sendfile(self) -> bool:
        """Never: the headers would come after the file."""
        return False

    def close(self) -> None:
        """Send what is left."""
        self.send_headers()
        self._send(b"")
        super().close()

    def _emit_body(self, part: bytes) -> None:
        self._send(b"%X\r\n%b\r\n" % (len(part), part) if self.chunked else part)

    def _send(self, part: bytes) -> None:
        held, self._held = self._held, b""
        if held or part:
            try:
                self.sock.sendall(held + part)
            except TimeoutError:  # gunicorn reports this as an error, but not a client that is gone
                raise ConnectionResetError(errno.ECONNRESET, "the client does not receive") from None


wsgi.Response = Reply  # gunicorn makes one for each request, and has no setting for another class
