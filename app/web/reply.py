"""How gunicorn writes a reply: at once."""

from __future__ import annotations

import errno
from typing import Any

from gunicorn.http import wsgi


class Reply(wsgi.Response):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's reply, with the headers in the same write as the first of the body.

    A worker that is killed between the two would leave a proxy with half a reply: too late to ask another instance.
    """

    sock: Any
    _held = b""

    def sendall(self, written: bytes) -> None:
        """Keep what gunicorn writes as headers."""
        self._held = written

    def send_headers(self) -> None:
        """Make the headers, to be sent with what follows."""
        connection, self.sock = self.sock, self
        try:
            super().send_headers()
        finally:
            self.sock = connection

    def can_sendfile(self) -> bool:
        """Never: the headers would come behind the file."""
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
            except TimeoutError:  # gunicorn takes a client that is gone for no fault, and this one for one
                raise ConnectionResetError(errno.ECONNRESET, "the client does not receive") from None


wsgi.Response = Reply  # what gunicorn makes of each request; its workers cannot be told of another
