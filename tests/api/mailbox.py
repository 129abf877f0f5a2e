"""The mail of the service under test: sent when a test asks for it, and read as its receiver would."""

import re
from dataclasses import dataclass

from app.outbox.service import Outbox
from tests.api.service import Service


@dataclass(frozen=True)
class Letter:
    """A mail, and what its receiver takes from it."""

    to: str
    subject: str
    text: str
    html: str

    @property
    def token(self) -> str:
        """The token in its link."""
        return only(r"#token=([A-Za-z0-9_-]+)", self.text)

    @property
    def code(self) -> str:
        """The code to type in."""
        return only(r"\b([0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4})\b", self.text)


def only(pattern: str, text: str) -> str:
    """The text in the one group of a pattern, which has to match exactly once."""
    found: set[str] = set(re.findall(pattern, text))
    assert len(found) == 1, found
    return found.pop()


def send(service: Service) -> int:
    """Have the service send what is queued, as its courier does; returns how many requests and accounts it took up."""
    return service.wired.get(Outbox).deliver_due()


def mails_to(service: Service, address: str) -> list[Letter]:
    """Every mail to this address, the newest first."""
    send(service)
    return [Letter(mail.to, mail.subject, mail.text, mail.html) for mail in service.sent_mails() if mail.to == address]


def newest_to(service: Service, address: str) -> Letter:
    """The newest mail to this address."""
    return mails_to(service, address)[0]
