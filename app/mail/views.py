"""Mails as JSON, in development."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING

from app.web.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.mail.maildir import SentMail


class MailView(View):
    """A mail that was sent."""

    to: str
    subject: str
    text: str
    html: str
    sent_at: datetime


class MailList(View):
    """The mails that were sent, newest first."""

    mails: list[MailView]

    @classmethod
    def of(cls, mails: Iterable[SentMail]) -> MailList:
        """The data of a reply with these mails."""
        return cls(
            mails=[
                MailView(to=mail.to, subject=mail.subject, text=mail.text, html=mail.html, sent_at=mail.sent_at)
                for mail in mails
            ]
        )
