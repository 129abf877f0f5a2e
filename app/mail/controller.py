"""The sent mails, for developers on this machine. In production there is no such route."""

from __future__ import annotations

import re

from app.mail.mail_templates import in_words
from app.mail.maildir import MOST_KEPT, newest
from app.mail.views import MailList
from app.platform.errors import NotFound
from app.web.call import Call
from app.web.endpoint import Outcome, endpoint
from app.web.guard import public
from app.web.result import File

_LINK = re.compile(r"(https?://[^\s<>\"]+)")


@endpoint(
    "GET /dev/mail",
    access=public,
    returns=MailList,
    or_else=(Outcome(File),),
    development_only=True,
    raises=(NotFound,),
)
def mails(call: Call) -> MailList | File:
    """The mails, newest first: as a page, or as JSON for clients that accept `application/json`.

    They give access to accounts, so clients that are not on this machine get 404.
    """
    if not call.is_on_this_machine:
        raise NotFound
    kept = newest(call.settings.mail.folder, MOST_KEPT)
    if call.preferred("text/html", "application/json") == "application/json":
        return MailList.of(kept)
    # Every other part is a link.
    shown = [(mail, in_words(mail.sent_at), _LINK.split(mail.text)) for mail in kept]
    return call.page("dev_mail.html", mails=shown)
