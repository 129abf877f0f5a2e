"""Handles the entries of the outbox that are about mail: resolves mail requests, writes and sends what is queued.

Each mail is sent once, and after a crash at least once (`app.outbox.service`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from app.accounts.factors import FACTOR_RECOVERY, recovery_of, with_recovery_told
from app.accounts.model import INVITED
from app.accounts.notices import WAYS_BACK, Notice
from app.mail.mail import MailFailedError, MailRefusedError
from app.outbox.model import CLAIMED_FOR
from app.outbox.service import retry_after
from app.platform.errors import SessionEnded
from app.platform.identifiers import comparable_email, new_id
from app.platform.instrumentation import NOBODY
from app.recovery.mailed_codes import LINK_ONLY
from app.security import codes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.mail_requests.model import MailRequest
    from app.accounts.model import Status
    from app.accounts.service import Accounts
    from app.accounts.under_way import CodePurpose
    from app.mail.mail import Mailer
    from app.mail.mail_templates import MailTemplates
    from app.outbox.model import Entry
    from app.platform.instrumentation import Observer
    from app.recovery.allowance import MailAllowance
    from app.recovery.mailed_codes import MailedCodes
    from app.security.codes import Purpose
    from app.security.secret_keys import SecretKeys

GIVEN_UP_AFTER = timedelta(days=1)
_AT_ONCE = 50
_log = structlog.get_logger("latchkey.mail")


@dataclass(frozen=True, slots=True)
class Mailroom:
    """Handles mail and the requests for it. Without a `mailer`, mail is dropped."""

    accounts: Accounts
    codes: MailedCodes
    allowance: MailAllowance
    secrets: SecretKeys
    templates: MailTemplates
    mailer: Mailer | None
    observer: Observer = NOBODY

    def mail(self, account: Account, entry: Entry) -> datetime | None:
        """Send a mail that waits in an account; gives when to try again."""
        notice, now = Notice.from_entry(entry), self._now()
        expires_at = account.expiry_of(notice.code_id)
        if notice.code_id is not None and (expires_at is None or expires_at <= now):
            return None  # its code was used meanwhile, or replaced
        if notice.kind == FACTOR_RECOVERY and recovery_of(account, now) is None:
            return None  # void meanwhile
        if notice.kind == "change_email" and self.accounts.is_taken(notice.to, account.user.id):
            # Sent instead, so that the requester can neither see nor time a difference.
            notice = replace(notice, kind="email_in_use")
        return self.send(account.user.id, notice, expires_at, notice.attempts + 1, account)

    def reset_requested(self, request: MailRequest, entry: Entry) -> None:
        """Queue the mail with the reset code, if the address has an account."""
        if self.mailer is None:
            return
        self._begin(request, entry)
        self._mail_code(request.email, "reset")

    def verification_requested(self, request: MailRequest, entry: Entry) -> None:
        """Queue the mails again for everything that waits for proof of this address."""
        if self.mailer is None:
            return
        self._begin(request, entry)
        self._mail_code(request.email, "verify")
        key, now = comparable_email(request.email), self._now()
        for changing in self.accounts.users.accounts_changing_to(key, 1):
            if changing.user.status == "active":
                self._change(changing.user.id, self._with_pending)
            elif changing.user.status == "invited":
                self._change(changing.user.id, self.accounts.with_invitation_mail, INVITED)
        # Those that wait for their answer were mailed: the others are about to be.
        requests = self.accounts.requests
        waiting = [each for each in requests.registrations(key, now, _AT_ONCE) if each.due_at is None]
        claimed_until = now + CLAIMED_FOR
        if waiting and requests.reschedule(waiting[-1], claimed_until, 1):
            claimed = replace(waiting[-1], due_at=claimed_until, attempts=1)
            requests.reschedule(claimed, self._mail_registration(claimed), 1)

    def registered(self, request: MailRequest, entry: Entry) -> datetime | None:
        """Mail the code of a pending registration, which then waits for its answer."""
        if self.mailer is None:
            self.accounts.requests.remove(request.id)
            return None
        self._begin(request, entry)
        if not entry.attempts and not self.allowance.take_registration(request.email):
            _log.warning("registration not mailed", mail_id=request.id, cause="too many of its address today")
            self.accounts.requests.remove(request.id)
            return None
        return self._mail_registration(request)

    def _begin(self, request: MailRequest, entry: Entry) -> None:
        """Do what is done alike for every address, when its request is taken up for the first time."""
        if not entry.attempts:
            self.codes.replace_dead(request.email, "reset" if request.kind == "reset" else "verify")
            self.codes.replace_dead(request.email, "invitation")

    def _mail_code(self, email: str, purpose: CodePurpose) -> None:
        """Queue the mail with the live code of the account that has this address.

        An invited user gets their invitation again, whatever was asked for, and a new one if it has expired: their
        address is taken, so nothing else lets them in.
        """
        account = self.accounts.users.account_by_email(comparable_email(email))
        if account is None:
            return
        if account.user.status == "invited":
            self._change(account.user.id, self.accounts.with_invitation_mail, INVITED)
        elif purpose == "reset" or not account.user.email_verified:
            self._change(account.user.id, lambda account: self._with_code(account, purpose))

    def _with_code(self, account: Account, purpose: CodePurpose) -> Account:
        """The account with a mail that carries its live code."""
        email = account.user.email
        if email is None or (purpose == "verify" and account.user.email_verified):
            return account
        if purpose == "reset" and not account.waits_for_proof:
            return self.accounts.with_reset_mail(account, email)
        return self.accounts.with_verification_mail(account)

    def _with_pending(self, account: Account) -> Account:
        """The account with the mail to its pending address."""
        pending = account.pending_email
        if pending is None or pending.expires_at <= self._now():
            return account
        return self.accounts.with_notice(account, "change_email", pending.email, code_id=pending.id)

    def _mail_registration(self, request: MailRequest) -> datetime | None:
        """Mail the code of a pending registration, or inform the owner of a proven address that they have an account;
        gives when to try again.

        The work is the same either way, now and when the mail is requested again. A registration of a proven address
        never completes: its code is never mailed, and could not take the address.
        """
        account = self._account_of(request.email)
        if account is not None and account.user.email_verified:
            to, kind = account.user.email or "", "account_exists"
        else:
            to, kind = request.email, "confirm_registration"
        notice = Notice(new_id(), kind, to, request.created_at, {}, request.id)
        return self.send(request.id, notice, request.expires_at, request.attempts)

    def _account_of(self, email: str) -> Account | None:
        account = self.accounts.users.account_by_email(comparable_email(email))
        return account if account is not None and account.user.status == "active" else None

    def send(
        self,
        owner_id: str,
        notice: Notice,
        expires_at: datetime | None,
        attempt: int,
        account: Account | None = None,
    ) -> datetime | None:
        """Send one mail; returns when to try again, or None if it was sent, refused, given up or withheld.

        `owner_id` is whose code it carries, which expires at `expires_at`; `attempt` counts from 1.
        """
        if self.mailer is None:
            return None
        if attempt == 1 and not self.allowance.take(notice.to, notice.kind, account):
            self.observer.mail_tried("withheld")
            _log.warning("mail withheld", kind=notice.kind, mail_id=notice.id, cause="too many to its address today")
            return None
        token = code = None
        purpose = _PURPOSES.get(_INSTEAD_OF.get(notice.kind, notice.kind))
        if purpose is not None and notice.code_id is not None:
            token = codes.make_token(self.secrets.current, purpose, owner_id, notice.code_id)
            if purpose not in LINK_ONLY:
                code = self.codes.code_for(notice.to, purpose, owner_id, notice.code_id)
        if notice.kind in _INSTEAD_OF:
            token = code = None
        mail = self.templates.render(
            notice.kind,
            id=notice.id,
            to=notice.to,
            at=notice.queued_at,
            facts=notice.facts,
            token=token,
            code=code,
            expires_at=expires_at,
        )
        now = self._now()
        try:
            with self.observer.working("mail send"):
                self.mailer.send(mail)
        except MailRefusedError as error:
            self.observer.mail_tried("refused")
            _log.warning("mail refused", kind=notice.kind, mail_id=notice.id, cause=str(error))
        except MailFailedError as error:
            # A mail with an undo offer is retried for as long as the offer is open.
            patience_ends = notice.queued_at + GIVEN_UP_AFTER if notice.kind not in WAYS_BACK else expires_at
            if (patience_ends and patience_ends <= now) or (expires_at and expires_at <= now):
                self.observer.mail_tried("given_up")
                _log.warning("mail given up", kind=notice.kind, mail_id=notice.id, cause=str(error))
                return None
            retry = now + retry_after(attempt - 1)
            self.observer.mail_tried("failed")
            _log.warning("mail failed", kind=notice.kind, mail_id=notice.id, cause=str(error), again_at=str(retry))
            return retry
        else:
            self.observer.mail_tried("sent")
            _log.info("mail sent", kind=notice.kind, mail_id=notice.id, user_id=owner_id)
            self._note_told(owner_id, notice, now)
        return None

    def _note_told(self, owner_id: str, notice: Notice, now: datetime) -> None:
        """Note in an account that its owner is warned of a recovery of lost factors, if this mail did that.

        If the store is away, the mail is sent again: better twice than that nobody knows.
        """
        if notice.kind == FACTOR_RECOVERY:
            self._change(owner_id, lambda account: with_recovery_told(account, notice.code_id, notice.to, now))

    def _change(
        self, user_id: str, step: Callable[[Account], Account], among: Collection[Status] = frozenset({"active"})
    ) -> None:
        with suppress(SessionEnded):  # deleted or disabled meanwhile: then there is nothing to tell
            self.accounts.change(user_id, step, among=among)

    def _now(self) -> datetime:
        return self.accounts.clock()


_PURPOSES: dict[str, Purpose] = {
    "verify_email": "verify",
    "confirm_address": "verify",
    "change_email": "change",
    "confirm_registration": "register",
    "reset_password": "reset",
    "email_changed": "undo",
    "deletion_undo": "undo",
    FACTOR_RECOVERY: "factor_recovery",
    "invitation": "invitation",
    "login_code": "login",
}
"""The purpose of the code in each kind of mail; the other kinds carry none."""
_INSTEAD_OF = {"account_exists": "confirm_registration", "email_in_use": "change_email"}
"""Mails that replace others when the address already belongs to someone else: they go to its owner. They carry no code,
but cost the same work, so that nothing shows which of the two was sent."""
