"""Mail in development: shown on the console and kept in a Maildir."""

from __future__ import annotations

import mailbox
import re
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from threading import Lock
from typing import TYPE_CHECKING

from app.mail.mail import MailFailedError
from app.mail.message import compose

if TYPE_CHECKING:
    from pathlib import Path

    from app.mail.mail import Mail, Mailer

MOST_KEPT = 200
_KEY = re.compile(r"(\d+)\.M(\d+)P(\d+)Q(\d+)\.")
"""The name that `mailbox.Maildir` gives a file: seconds, microseconds, process, and a count in the process."""
_IN_THIS_PROCESS = Lock()
"""The lock is needed because those names are unique among processes, but not among threads."""


@dataclass(frozen=True, slots=True)
class SentMail:
    """A mail that was kept, and when."""

    to: str
    subject: str
    text: str
    html: str
    sent_at: datetime


class MaildirMailer:
    """Prints each mail to standard error, keeps it in `folder`, and passes it on to `then`, if given."""

    def __init__(self, folder: Path, then: Mailer | None = None) -> None:
        self._folder = folder
        self._then = then
        self._kept: deque[str] = deque(maxlen=MOST_KEPT)  # a mail that `then` did not accept is retried here

    def send(self, mail: Mail) -> None:
        """Print, keep and pass on the mail. Raises MailRefusedError or MailFailedError."""
        if mail.id not in self._kept:
            self._keep(mail)
            self._kept.append(mail.id)
        if self._then is not None:
            self._then.send(mail)

    def _keep(self, mail: Mail) -> None:
        message = compose(mail)
        sys.stderr.write(f"\n--- Mail to {mail.to} ---\nSubject: {mail.subject}\n\n{mail.text}--- end of mail ---\n")
        try:
            with _IN_THIS_PROCESS:
                for folder in (self._folder, *(self._folder / name for name in ("tmp", "new", "cur"))):
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                kept = mailbox.Maildir(self._folder, create=False)
                kept.add(message)
                _drop_oldest(kept)
        except (OSError, mailbox.Error) as error:
            raise MailFailedError(f"the mail cannot be kept: {error}") from error


def newest(folder: Path, limit: int) -> list[SentMail]:
    """The newest mails in a folder, at most `limit`; none if there is no folder yet."""
    found: list[SentMail] = []
    with suppress(mailbox.NoSuchMailboxError, FileNotFoundError):  # no mail has been sent yet
        kept = mailbox.Maildir(folder, create=False)
        for key in reversed(_oldest_first(kept)):
            if len(found) >= limit:
                break
            with suppress(KeyError, FileNotFoundError):  # dropped meanwhile
                found.append(_read(key, kept.get_bytes(key)))
    return found


def _drop_oldest(kept: mailbox.Maildir) -> None:
    for key in _oldest_first(kept)[:-MOST_KEPT]:
        with suppress(KeyError, FileNotFoundError):  # another process was first
            kept.remove(key)


def _oldest_first(kept: mailbox.Maildir) -> list[str]:
    """The keys of the mails in the order in which they were kept; other files in the folder are ignored."""
    order: dict[str, tuple[int, ...]] = {}
    for key in kept.keys():  # noqa: SIM118 - iterating a mailbox gives its messages
        if match := _KEY.match(key):
            order[key] = tuple(map(int, match.groups()))
    return sorted(order, key=order.__getitem__)


def _read(key: str, content: bytes) -> SentMail:
    message = message_from_bytes(content, policy=policy.default)
    seconds, microseconds, *_ = map(int, _KEY.match(key).groups())  # type: ignore[union-attr]  # it was listed by it
    parts = {part.get_content_type(): part.get_content() for part in message.iter_parts()}
    return SentMail(
        to=message["To"],
        subject=message["Subject"],
        text=parts["text/plain"],
        html=parts["text/html"],
        sent_at=datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds),
    )
