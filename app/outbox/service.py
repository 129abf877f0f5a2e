"""Sends queued mail: resolves mail requests, writes and sends notices, purges deleted accounts.

A worker claims each item by a conditional write that postpones its due time; if the worker dies, another takes the item
over at that time. So each mail is sent once, and after a crash at least once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from app.accounts.model import Notice
from app.accounts.service import CLAIMED_FOR, WAYS_BACK
from app.mail.mail import MailFailedError, MailRefusedError
from app.platform.errors import SessionEnded
from app.platform.identifiers import comparable_email, new_id
from app.platform.instrumentation import NOBODY
from app.security import codes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.accounts.deletion import DeletionService
    from app.accounts.model import Account, CodePurpose, Users
    from app.accounts.service import Accounts
    from app.mail.letters import Letters
    from app.mail.mail import Mailer
    from app.outbox.allowance import MailAllowance
    from app.outbox.model import MailRequest
    from app.platform.instrumentation import Observer
    from app.recovery.mailed_codes import MailedCodes
    from app.security.codes import Purpose
    from app.security.secret_keys import SecretKeys

SENDS_FOR = timedelta(minutes=1)
"""How long a claim lets a worker start sending mails: one mail takes at most half a minute."""
FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(minutes=5)
"""The longest retry delay; short, because all mails of an account share one retry time."""
GIVEN_UP_AFTER = timedelta(days=1)
_AT_ONCE = 50
_COUNTED = 1000
"""The most accounts, and the most requests, that `waiting` counts."""
_log = structlog.get_logger("latchkey.mail")


@dataclass(frozen=True, slots=True)
class Mailroom:
    """Takes up due work. Without a `mailer`, mail is dropped, but deleted accounts are still purged."""

    accounts: Accounts
    codes: MailedCodes
    allowance: MailAllowance
    deletion: DeletionService
    secrets: SecretKeys
    letters: Letters
    mailer: Mailer | None
    observer: Observer = NOBODY

    def send_due(self) -> int:
        """Take up everything that is due now; returns the number of requests and accounts."""
        done = 0
        while requests := self.accounts.requests.due(self._now(), _AT_ONCE):
            done += sum(self._take_up(request) for request in requests)
        # What was queued until now is found below: another round would be work for known addresses only.
        self.accounts.mail_waits.clear()
        while due := self.accounts.users.due(self._now(), _AT_ONCE):
            done += sum(self._serve(user_id) for user_id in due)
        return done

    def waiting(self) -> int:
        """How many requests and accounts have unsent mail, including mail that waits for a retry.

        It counts up to 1,000 of each. Raises Unavailable.
        """
        until = self._now() + max(LONGEST_RETRY, CLAIMED_FOR)
        users, requests = self.accounts.users.due(until, _COUNTED), self.accounts.requests.due(until, _COUNTED)
        return len(users) + len(requests)

    def _take_up(self, request: MailRequest) -> bool:
        """Turn a request into mail, unless another worker claimed it; True if this one did."""
        claimed_until = self._now() + CLAIMED_FOR
        if not self.accounts.requests.reschedule(request, claimed_until, request.attempts + 1):
            return False
        if request.expires_at <= self._now() or self.mailer is None:
            self.accounts.requests.remove(request.id)
        elif request.attempts:
            self._answer(replace(request, due_at=claimed_until, attempts=request.attempts + 1))
        else:
            self._begin(replace(request, due_at=claimed_until, attempts=1))
        return True

    def _begin(self, request: MailRequest) -> None:
        """Take up a request for the first time; what is counted here is counted alike for every address."""
        self.codes.replace_dead(request.email, "reset" if request.kind == "reset" else "verify")
        if request.kind == "register" and not self.allowance.take_registration(request.email):
            _log.warning("registration not mailed", mail_id=request.id, cause="too many of its address today")
            self.accounts.requests.remove(request.id)
            return
        self._answer(request)

    def _answer(self, request: MailRequest) -> None:
        if request.kind == "register":
            self._mail_registration(request)
            return
        if request.kind == "reset":
            self._queue_reset(request)
        else:
            self._queue_verification(request)
        self.accounts.requests.remove(request.id)

    def _queue_reset(self, request: MailRequest) -> None:
        """Queue the mail with the reset code, if the address has an account."""
        account = self._account_of(request.email)
        if account is not None:
            self._change(account.user.id, lambda account: self._with_code(account, "reset"))

    def _queue_verification(self, request: MailRequest) -> None:
        """Queue the mails again for everything that waits for proof of this address."""
        account = self._account_of(request.email)
        if account is not None and not account.user.email_verified:
            self._change(account.user.id, lambda account: self._with_code(account, "verify"))
        key, now = comparable_email(request.email), self._now()
        for changing in self.accounts.users.accounts_changing_to(key, 1):
            if changing.user.status == "active":
                self._change(changing.user.id, self._with_pending)
        # Those that wait for their answer were mailed: the others are about to be.
        waiting = [each for each in self.accounts.requests.registrations(key, now, _AT_ONCE) if each.due_at is None]
        claimed_until = now + CLAIMED_FOR
        if waiting and self.accounts.requests.reschedule(waiting[-1], claimed_until, 1):
            self._mail_registration(replace(waiting[-1], due_at=claimed_until, attempts=1))

    def _with_code(self, account: Account, purpose: CodePurpose) -> Account:
        """The account with a mail that carries its live code."""
        email = account.user.email
        if email is None or (purpose == "verify" and account.user.email_verified):
            return account
        if purpose == "reset":
            return self.accounts.with_reset_mail(account, email)
        account, code = self.accounts.with_code(account, purpose)
        return self.accounts.with_notice(account, "verify_email", email, code_id=code.id)

    def _with_pending(self, account: Account) -> Account:
        """The account with the mail to its pending address."""
        pending = account.pending_email
        if pending is None or pending.expires_at <= self._now():
            return account
        return self.accounts.with_notice(account, "change_email", pending.email, code_id=pending.id)

    def _mail_registration(self, request: MailRequest) -> None:
        """Mail the code of a pending registration, or inform the owner of a proven address that they have an account.

        The work is the same either way, now and when the mail is requested again. A registration of a proven address
        never completes: its code is never mailed, and could not take the address.
        """
        account = self._account_of(request.email)
        if account is not None and account.user.email_verified:
            to, kind = account.user.email or "", "account_exists"
        else:
            to, kind = request.email, "confirm_registration"
        notice = Notice(new_id(), kind, to, request.created_at, {}, request.id)
        retry = self._send(request.id, notice, request.expires_at, request.attempts)
        # Never 0 again: it was taken up, whoever asks for its mail once more.
        self.accounts.requests.reschedule(request, retry, request.attempts if retry else 1)

    def _account_of(self, email: str) -> Account | None:
        account = self.accounts.users.account_by_email(comparable_email(email))
        return account if account is not None and account.user.status == "active" else None

    def _serve(self, user_id: str) -> bool:
        """Send the notices of an account, if another worker does not; True if this one did."""
        users, now = self.accounts.users, self._now()
        account = users.account(user_id)
        if account is None or account.due_at is None or account.due_at > now:
            return False
        claimed_until = now + CLAIMED_FOR
        if not users.save(replace(account, due_at=claimed_until)):
            return False
        if account.user.status == "deleted":  # before its mail, so that an owner who restores the account loses nothing
            self.deletion.purge(user_id)
        retries: dict[str, datetime | None] = {}
        for notice in account.notices:
            if self._now() >= now + SENDS_FOR:
                break
            expires_at = _expiry_of(notice, account)
            if self.mailer is None or (notice.code_id is not None and (expires_at is None or expires_at <= now)):
                retries[notice.id] = None  # its code was used meanwhile, or replaced
                continue
            if notice.kind == "change_email" and self.accounts.is_taken(notice.to, user_id):
                # Sent instead, so that the requester can neither see nor time a difference.
                notice = replace(notice, kind="email_in_use")  # noqa: PLW2901 - the same mail
            retries[notice.id] = self._send(user_id, notice, expires_at, notice.attempts + 1, account)
        self._settle(users, user_id, retries, claimed_until)
        return True

    def _send(
        self,
        owner_id: str,
        notice: Notice,
        expires_at: datetime | None,
        attempt: int,
        account: Account | None = None,
    ) -> datetime | None:
        """Send one mail; returns when to try again, or None if it was sent, refused, given up or withheld."""
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
            if purpose != "undo":
                code = self.codes.code_for(notice.to, purpose, owner_id, notice.code_id)
        if notice.kind in _INSTEAD_OF:
            token = code = None
        mail = self.letters.write(
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
            retry = now + min(FIRST_RETRY * (1 << min(attempt - 1, 20)), LONGEST_RETRY)
            self.observer.mail_tried("failed")
            _log.warning("mail failed", kind=notice.kind, mail_id=notice.id, cause=str(error), again_at=str(retry))
            return retry
        else:
            self.observer.mail_tried("sent")
            _log.info("mail sent", kind=notice.kind, mail_id=notice.id, user_id=owner_id)
        return None

    def _settle(self, users: Users, user_id: str, retries: dict[str, datetime | None], claimed_until: datetime) -> None:
        """Remove the finished notices from the account, and end the claim."""
        while True:
            account = users.account(user_id)
            if account is None:
                return
            remaining = tuple(
                replace(notice, attempts=notice.attempts + 1) if notice.id in retries else notice
                for notice in account.notices
                if retries.get(notice.id, claimed_until) is not None
            )
            times = [retries.get(notice.id) or self._now() for notice in remaining]
            if account.user.status == "deleted":
                if not remaining and not account.undo_offers:
                    users.remove(user_id)
                    return
                # The last offer is removed by a separate write: without an offer nobody can restore the account.
                offers = tuple(offer for offer in account.undo_offers if offer.expires_at > self._now())
                account = replace(account, undo_offers=offers)
                times += [offer.expires_at for offer in offers] or [self._now()]
            # The claim may have expired and belong to another worker by now, which does the rest.
            due_at = min(times, default=None) if account.due_at == claimed_until else account.due_at
            if users.save(replace(account, notices=remaining, due_at=due_at)):
                return

    def _change(self, user_id: str, step: Callable[[Account], Account]) -> None:
        with suppress(SessionEnded):  # deleted or disabled meanwhile: then there is nothing to tell
            self.accounts.change(user_id, step)

    def _now(self) -> datetime:
        return self.accounts.clock()


_PURPOSES: dict[str, Purpose] = {
    "verify_email": "verify",
    "change_email": "change",
    "confirm_registration": "register",
    "reset_password": "reset",
    "email_changed": "undo",
    "deletion_undo": "undo",
}
"""The purpose of the code in each kind of mail; the other kinds carry none."""
_INSTEAD_OF = {"account_exists": "confirm_registration", "email_in_use": "change_email"}
"""Mails that replace others when the address already belongs to someone else: they go to its owner. They carry no code,
but cost the same work, so that nothing shows which of the two was sent."""


def _expiry_of(notice: Notice, account: Account) -> datetime | None:
    """When the code or offer in a notice expires; None if it carries none, or the account no longer has it."""
    pending = (account.pending_email,) if account.pending_email else ()
    carried = (*account.codes, *pending, *account.undo_offers)
    return next((one.expires_at for one in carried if one.id == notice.code_id), None)
