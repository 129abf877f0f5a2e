"""The worker's part of a login by mail: it looks up the account, binds the login to it, and sends the mail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.accounts.notices import Notice
from app.mail_login.service import leads_to
from app.outbox.model import Claimed, Entry
from app.platform.identifiers import comparable_email

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.model import Users
    from app.mail_login.model import MailLogin, MailLogins
    from app.recovery.mailroom import Mailroom

KIND = "login_code"
"""The kind of the mail, and of the entry that a login is."""


@dataclass(frozen=True, slots=True)
class MailLoginHolders:
    """Logins by mail as `app.outbox.model.Holders`: each holds one entry, itself."""

    logins: MailLogins

    def due(self, now: datetime, limit: int) -> list[MailLogin]:
        return self.logins.due(now, limit)

    def claim(self, key: MailLogin, now: datetime, until: datetime) -> Claimed[MailLogin] | None:
        if not self.logins.reschedule(key, until, key.attempts + 1):
            return None
        claimed = replace(key, due_at=until, attempts=key.attempts + 1)
        if key.expires_at <= now:
            self.logins.take(key.id)
            return Claimed(claimed, (), until)
        return Claimed(claimed, (Entry(key.id, KIND, {}, now, key.attempts),), until)

    def settle(self, claimed: Claimed[MailLogin], outcomes: Mapping[str, Entry | None], now: datetime) -> None:
        del now
        login = claimed.owner
        if login.id not in outcomes:
            return
        left = outcomes[login.id]
        # Done, it waits for its answer until it expires, mailed or not: so wrong codes cost the same for any address.
        self.logins.reschedule(login, left.due_at if left else None, left.attempts if left else login.attempts)


@dataclass(frozen=True, slots=True)
class MailLoginMailing:
    """Mails what a login was asked for with."""

    logins: MailLogins
    users: Users
    mailroom: Mailroom

    def send(self, login: MailLogin, entry: Entry) -> datetime | None:
        """Mail code and link, if the address is the verified one of an active account; gives when to try again."""
        if not entry.attempts:
            self.mailroom.codes.replace_dead(login.email, "login")
        account = self.users.account_by_email(comparable_email(login.email))
        if account is None or not leads_to(login.email, account) or not self._bind(login, account):
            return None
        facts = {"device": login.device, "ip": login.ip}
        notice = Notice(login.id, KIND, account.user.email or "", login.created_at, facts, login.id)
        return self.mailroom.send(login.id, notice, login.expires_at, entry.attempts + 1, account)

    def _bind(self, login: MailLogin, account: Account) -> bool:
        """Bind it to the account before the first attempt; later ones send it only if nothing has changed since."""
        if login.user_id is None:
            return self.logins.bind(login.id, account.user.id, account.auth_epoch)
        return (login.user_id, login.auth_epoch) == (account.user.id, account.auth_epoch)
