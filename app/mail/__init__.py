"""What each mail says, and how it is sent: by SMTP, or into a Maildir in development."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.feature import Feature, MailKinds, Tag
from app.mail import controller
from app.mail.mail_templates import MailTemplates

if TYPE_CHECKING:
    from app.platform.container import Container


def _templates(parts: Container) -> MailTemplates:
    kinds, mail = parts.get(MailKinds).kinds, parts.settings.mail
    return MailTemplates(kinds, mail.product_name, mail.product_color, parts.settings.server.public_url)


FEATURE = Feature(
    pages=(Tag("dev_mail", "Mails that were sent in development.", (controller.mails,)),),
    services={MailTemplates: _templates},
)
