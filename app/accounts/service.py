"""Changing accounts: every change is a function from one account to the next, saved by one conditional write."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING

from app.accounts.mail_requests.model import MailRequest
from app.accounts.notices import Notice
from app.accounts.publisher import Change, Publisher, Silent
from app.accounts.under_way import CODE_LIVES
from app.mail.mail_templates import in_words
from app.platform.errors import EmailTaken, Failure, Forbidden, SessionEnded, Unavailable
from app.platform.identifiers import comparable_email, email_key, new_id
from app.roles.model import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.held_emails.model import HeldEmails
    from app.accounts.mail_requests.model import MailRequestKind, MailRequests, PendingRegistration
    from app.accounts.model import Status, User, Users
    from app.accounts.principal import Principal
    from app.accounts.under_way import UndoOffer
    from app.audit.service import Audit
    from app.feature import LiveCallers
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.roles.administrators import Administrators

ACTIVE: frozenset[Status] = frozenset({"active"})
_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class Accounts:
    """Reads and changes accounts. `mailing` says whether mail can be sent at all."""

    users: Users
    callers: LiveCallers
    held: HeldEmails
    requests: MailRequests
    audit: Audit
    administrators: Administrators
    clock: Clock
    mailing: bool
    mail_waits: Event = field(default_factory=Event)
    """Set when mail is queued, so that the sending thread starts at once."""
    publisher: Publisher = field(default_factory=Silent)
    """Says who else is told of a change."""

    def change(
        self,
        user_id: str,
        step: Callable[[Account], Account],
        *,
        by: Principal | None = None,
        missing: type[Failure] = SessionEnded,
        among: Collection[Status] = ACTIVE,
        actions: Sequence[str] = (),
        details: Mapping[str, str] | None = None,
        device: Device | None = None,
        services: bool = False,
    ) -> Account:
        """Replace an active account with the result of `step`; returns the account as it is stored now.

        `step` may be called again if the account changed meanwhile; it raises to refuse. `by` is the principal that
        asks for the change, if one does. Raises `missing` if there is no such user, their status is not in `among`, or
        they are a service account and not `services`; SessionEnded if `by` has ended by the time of the write, and
        Forbidden if `by` changes another user's account and has lost a permission since they were admitted. Raises
        LastAdmin if nobody but this user is an active administrator, and `step` makes them stop being one.

        An audit event for each of `actions`, done from `device`, is stored in the same write with `details`, and so is
        what others are told of it. Both are read after `step`, which may decide on them. They name who is responsible,
        if that is another user.
        """
        actor_id = by.actor_on(user_id) if by is not None else None
        with self.administrators.changing(user_id) as guard:
            for _ in range(_ATTEMPTS):
                account = self.users.account(user_id)
                if account is None or account.user.status not in among or (account.user.kind and not services):
                    raise missing
                # Ending a session raises the revision, so a session of this account that is live here is still live
                # when `save` succeeds.
                if by is not None:
                    present = self.require_live(by)
                    if by.user.id != user_id and not by.permissions <= present.permissions:
                        raise Forbidden("You have lost a permission since you sent this.")
                changed = step(account)
                if changed == account:
                    for action in actions:
                        self.audit.record(user_id, action, device, actor_id=actor_id, **(details or {}))
                    return account
                changed = self.announced(Change(actions, account, changed, by, details or {}))
                events = [
                    self.audit.event(user_id, action, device, actor_id=actor_id, **(details or {}))
                    for action in actions
                ]
                # An address that `step` found free may have been claimed since: then `step` runs again.
                with suppress(EmailTaken):
                    guard.begin(was=_is_administrator(account.user), is_now=_is_administrator(changed.user))
                    if self.users.save(changed, events):
                        guard.saved = True
                        self.audit.tell(events)
                        if changed.outbox:
                            self.mail_waits.set()
                        return replace(changed, revision=changed.revision + 1)
            raise Unavailable

    def note_new(self, user: User) -> None:
        """Do what follows the write that added a user: an administrator is one of those of whom one always remains."""
        if _is_administrator(user):
            with suppress(Unavailable):  # then the job does it
                self.administrators.join(user.id)

    def announced(self, change: Change) -> Account:
        """The changed account with what others are told of the change, to be stored in the same write.

        Whoever stores an account without `change`, as a new one, has to ask this first. Raises Unavailable.
        """
        entries = self.publisher.entries(change)
        return change.after.with_entries(entries, self.clock()) if entries else change.after

    def announce(
        self, user_id: str, action: str, can_happen: Callable[[], bool], *, by: Principal | None = None, **details: str
    ) -> None:
        """Store what others are told of something that is about to happen to a user outside their account.

        Who delivers it finds out whether it did happen: so neither a crash before it nor one behind it tells a lie.
        `can_happen` is asked behind the read of the account. So if several do it at once, it is announced once.
        """

        def announced(account: Account) -> Account:
            change = Change([action], account, account, by, details)
            return self.announced(change) if can_happen() else account

        if self.publisher.wants(action):
            with suppress(SessionEnded):  # deleted or disabled meanwhile, which others are told of, too
                self.change(user_id, announced)

    def require_live(self, by: Principal) -> Principal:
        """The principal as it is now. Raises SessionEnded if what it came in by has ended: its session, or its key."""
        present: Principal | None = self.callers.live[by.kind](by)
        if present is None:
            raise SessionEnded
        return present

    def ask_for_mail(self, kind: MailRequestKind, email: str, registration: PendingRegistration | None = None) -> None:
        """Store a request for mail to an address, for a worker to take up: one write, whatever the address."""
        now = self.clock()
        lives = CODE_LIVES["reset" if kind == "reset" else "verify"]
        self.requests.add(MailRequest(new_id(), kind, email, now, now + lives, now, registration=registration))
        # `mail_waits` is not set: the work for a known address would slow down the requests right after this one.

    def with_notice(
        self, account: Account, kind: str, to: str | None, *, code_id: str | None = None, **facts: str
    ) -> Account:
        """The account with one more mail to send; unchanged if there is no address or mail cannot be sent."""
        if to is None or not self.mailing:
            return account
        now = self.clock()
        return account.with_notice(Notice(new_id(), kind, to, now, facts, code_id), now)

    def with_warning(
        self,
        account: Account,
        kind: str,
        device: Device,
        *,
        by: Principal | None = None,
        code_id: str | None = None,
        **facts: str,
    ) -> Account:
        """The account with a mail that tells its owner of a change, sent to the address before the change.

        User text (device names too, since a User-Agent may hold any words) goes to verified addresses only, or anyone
        could make us mail strangers. If `by` acts for the owner, the mail says so, and nothing of where they are.
        """
        if by is not None and by.impersonation is not None:
            where, device_name = {"actor": "an administrator who acts for you"}, {}
        else:
            where, device_name = {"ip": device.ip}, {"device": device.name}
        told = {**device_name, **facts} if account.user.email_verified else {}
        return self.with_notice(account, kind, account.user.email, code_id=code_id, **where, **told)

    def with_verification_mail(self, account: Account) -> Account:
        """The account with a mail to its address, which asks for proof of it; unchanged if mail cannot be sent."""
        if account.user.email is None or not self.mailing:
            return account
        account, code = account.with_code("verify", code_id=new_id(), now=self.clock())
        kind = "confirm_address" if account.waits_for_proof else "verify_email"
        return self.with_notice(account, kind, account.user.email, code_id=code.id)

    def with_reset_mail(self, account: Account, to: str) -> Account:
        """The account with a mail to its address for setting a new password.

        If a former address can take the account back, the mail says so. Otherwise people who were tricked into
        confirming a change that they did not ask for would believe that the account is theirs.
        """
        now, facts = self.clock(), {}
        account, code = account.with_code("reset", code_id=new_id(), now=now)
        if former := account.former_addresses(now):
            until = max(offer.expires_at for offer in account.undo_offers)
            facts = {"former_email": ", ".join(former), "undo_until": in_words(until)}
        return self.with_notice(account, "reset_password", to, code_id=code.id, **facts)

    def with_invitation_mail(self, account: Account) -> Account:
        """The account of an invited user with a mail that carries their invitation, a new one if it has expired.

        Unchanged if the user has no address, or mail cannot be sent.
        """
        if account.invited_email is None or not self.mailing:
            return account
        account, code = account.with_invitation(code_id=new_id(), now=self.clock())
        return self.with_notice(account, "invitation", account.invited_email, code_id=code.id)

    def release(self, account: Account, offers: Iterable[UndoOffer]) -> None:
        """End the holds on addresses whose undo offers are gone, except addresses that another offer still names."""
        offered = {comparable_email(offer.email) for offer in account.undo_offers}
        for key in {comparable_email(offer.email) for offer in offers} - offered:
            self.held.release(key, account.user.id)

    def take_email(self, address: str, by: str) -> None:
        """Make an address free for the user `by`, who has just proven it.

        An account that never proved it loses it ("proof beats claim"). Raises EmailTaken if another user has proven it,
        or gave it up and may still take it back.
        """
        key = email_key(address)
        if key is None:
            raise EmailTaken
        for _ in range(_ATTEMPTS):
            other = self.users.account_by_email(key)
            if other is not None and other.user.id != by:
                if other.user.email_verified:
                    raise EmailTaken
                events = [self.audit.event(other.user.id, "email.lost")]
                if self.users.save(self.announced(Change(["email.lost"], other, other.without_email())), events):
                    self.audit.tell(events)
                continue
            # In this order: a user who gave the address up before it was found free had it held before that.
            if self.is_held(key, by):
                raise EmailTaken
            return
        raise Unavailable

    def hold(self, address: str, by: str, *, until: datetime) -> None:
        """Hold an address for the user `by`, who has proven it and is about to give it up.

        Raises EmailTaken if it is held for another user, who may take it back.
        """
        key = comparable_email(address)
        for _ in range(_ATTEMPTS):
            now = self.clock()
            if self.held.hold(key, by, now=now, until=until):
                return
            if self.is_held(key, by):
                raise EmailTaken
            left_behind = self.held.holder(key, now)
            if left_behind is not None and left_behind != by:
                self.held.release(key, left_behind)
        raise Unavailable

    def is_taken(self, address: str, by: str) -> bool:
        """Whether a user other than `by` has proven an address, or gave it up and may still take it back."""
        key = comparable_email(address)
        other, held = self.users.account_by_email(key), self.is_held(key, by)
        return held or (other is not None and other.user.id != by and other.user.email_verified)

    def is_held(self, key: str, by: str) -> bool:
        """Whether an address is held for a user other than `by`, who had proven it and may take it back.

        The undo offer decides: an unproven address is never held, and a hold without an offer has no effect. The hold
        is made before the offer, and the offer in the write that gives the address up. So a caller who has claimed the
        address, or found it free, before calling this misses no hold.
        """
        now = self.clock()
        holder = self.held.holder(key, now)
        if holder is None or holder == by:
            return False
        account = self.users.account(holder)
        return account is not None and account.may_take_back(key, now)


def _is_administrator(user: User) -> bool:
    """Whether a user counts as an administrator who remains: a service account never does."""
    return ADMINISTRATOR in user.roles and user.status == "active" and user.kind is None
