"""The mailed tokens, each read once from what the mail server got."""

import re
from collections import defaultdict
from threading import Lock

from tests.servers.smtp import SmtpServer


class Letters:
    """What came for each address."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._read = 0
        self._tokens: defaultdict[str, list[str]] = defaultdict(list)
        self._lock = Lock()

    def tokens(self, address: str) -> list[str]:
        """The tokens for a new password that were mailed to this address so far, the oldest first."""
        with self._lock:
            for mail in self._server.received[self._read :]:
                self._read += 1
                part = mail.message.get_body(("plain",))
                text = part.get_content() if part else ""
                self._tokens[mail.recipients[0]] += re.findall(r"/reset-password#token=([\w-]+)", text)
            return list(self._tokens[address])
