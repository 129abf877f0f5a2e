"""A mail as a message (RFC 5322), to send or to keep in a Maildir."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from typing import TYPE_CHECKING

from app.mail.mail import MailRefusedError
from app.platform import clock
from app.platform.identifiers import parse_email

if TYPE_CHECKING:
    from app.mail.mail import Mail

_POLICY = default.clone(cte_type="7bit")
"""Every server accepts it, even one without 8BITMIME."""


def recipient(mail: Mail) -> str:
    """The one address of a mail, in ASCII (an international domain in its xn-- form); raises MailRefusedError."""
    try:
        address = parse_email(mail.to).ascii_email
    except ValueError:
        address = None
    if address is None:
        raise MailRefusedError("the recipient is not an e-mail address")
    return address


def compose(mail: Mail, sender: Address | None = None) -> EmailMessage:
    """The message, dated now, as text and HTML; without `sender`, it has no From.

    Raises MailRefusedError if a header would contain a line break.
    """
    message = EmailMessage(policy=_POLICY)
    user, _, domain = recipient(mail).rpartition("@")
    try:
        if sender is not None:
            message["From"] = sender
        message["To"] = Address("", user, domain)
        message["Subject"] = mail.subject
        message["Date"] = clock.now()
        message["Message-ID"] = f"<{mail.id}@{sender.domain if sender else 'localhost'}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday reply comes back
    except ValueError:
        raise MailRefusedError("a header of the mail holds a line break") from None
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message
