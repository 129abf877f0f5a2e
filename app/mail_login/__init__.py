"""Login by mail: a code or a link for those whose address is verified. It is off by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.model import Users
from app.feature import Feature, MailKind, Tag
from app.mail_login import controller, pages
from app.mail_login.mailing import KIND, MailLoginHolders, MailLoginMailing
from app.mail_login.model import MailLogins
from app.mail_login.service import MailLoginService
from app.outbox.service import Box
from app.recovery.mailed_codes import MailedCodes
from app.recovery.mailroom import Mailroom
from app.sessions.failed_logins import FailedLogins
from app.sessions.gate import LoginGate
from app.throttle.device_tokens import DeviceTokens

if TYPE_CHECKING:
    from app.mail_login.model import MailLogin
    from app.platform.container import Container


def _service(parts: Container) -> MailLoginService:
    return MailLoginService(
        parts.get(MailLogins),
        parts.get(Users),
        parts.get(MailedCodes),
        parts.get(LoginGate),
        parts.get(FailedLogins),
        parts.get(DeviceTokens),
        parts.clock,
    )


def _box(parts: Container) -> Box[MailLogin, MailLogin]:
    logins = parts.get(MailLogins)
    mailing = MailLoginMailing(logins, parts.get(Users), parts.get(Mailroom))
    return Box(MailLoginHolders(logins), {KIND: mailing.send}, polled=True)


FEATURE = Feature(
    tags=(Tag("auth", "", (controller.request_code, controller.log_in)),),
    pages=(Tag("pages", "", (pages.open_link, pages.log_in)),),
    services={MailLoginService: _service},
    repositories=(MailLogins,),
    boxes=(_box,),
    erase=lambda parts: parts.get(MailLoginService).erase,
    expires=(MailLogins,),
    mails=(MailKind(KIND, __name__, page="login/mail", code_first=True),),
    on=lambda settings: settings.accounts.login_by_mail,
)
