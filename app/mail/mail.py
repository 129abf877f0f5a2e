"""A mail that is ready to be sent, and the interface of every way to send it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one address; `text` and `html` say the same. `id` makes the Message-ID, which a retry keeps."""

    id: str
    to: str
    subject: str
    text: str
    html: str


class MailRefusedError(Exception):
    """The server refused the recipient or the message for good: do not try again. The text states the cause."""


class MailFailedError(Exception):
    """The mail could not be sent this time: try again later. The text states the cause, without any credentials."""


class Mailer(Protocol):
    """A way of sending mail; several threads may call it at once."""

    def send(self, mail: Mail) -> None:
        """Hand the mail over; when this returns, the receiver is responsible for its delivery.

        Raises MailRefusedError or MailFailedError.
        """
