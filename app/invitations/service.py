"""Invitations: an administrator or the operator adds a user, who chooses the password and can log in from then on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from app.accounts.account import Account
from app.accounts.credentials import counted_names
from app.accounts.model import INVITED, User
from app.accounts.publisher import Change
from app.accounts.registration import RESERVED
from app.accounts.under_way import PendingEmail
from app.platform.errors import (
    CannotBeMailed,
    EmailTaken,
    Failure,
    FieldError,
    InvalidCode,
    Unavailable,
    UsernameTaken,
    ValidationFailed,
)
from app.platform.identifiers import comparable_email, new_id, username_key
from app.roles.authority import require_power
from app.security import codes

if TYPE_CHECKING:
    from datetime import datetime

    from app.accounts.fields import InputRules
    from app.accounts.model import Credentials
    from app.accounts.passwords import PasswordService
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.audit.model import AuditEvent
    from app.platform.devices import Device
    from app.recovery.mailed_codes import MailedCodes, Redeemable
    from app.roles.authority import Authority
    from app.roles.service import Roles
    from app.security.secret_keys import SecretKeys
    from app.throttle.service import PasswordThrottle

INVITE: Final = "users:write"
"""The permission to invite."""
_ATTEMPTS: Final = 20
_ALREADY_INVITED: Final = (
    "This address is invited already: POST /admin/users/<user_id>/reset-password mails the invitation again."
)
_NO_MAIL: Final = "This service cannot send mail: set SMTP_URL, or use flask users create, which prints a link."


@dataclass(frozen=True, slots=True)
class Invitee:
    """Who is invited: validated by `inputs`. Without `roles` they get the default ones."""

    email: str | None = None
    username: str | None = None
    name: str | None = None
    roles: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an invited user chose. Names that they leave out stay as the invitation had them."""

    password: str
    username: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A link to answer an invitation, and which code of the user it carries."""

    code_id: str
    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class InvitationService:
    """Adds invited users, and turns them into active ones once they answer.

    An invited user has no password, so nobody can log in as them; their roles count once they are active.
    """

    accounts: Accounts
    passwords: PasswordService
    throttle: PasswordThrottle
    codes: MailedCodes
    roles: Roles
    authority: Authority
    secrets: SecretKeys
    rules: InputRules
    default_roles: tuple[str, ...]
    hides_accounts: bool
    public_url: str

    def invite(self, invitee: Invitee, by: Principal, device: Device) -> Account:
        """Add a user and mail them an invitation, in one write.

        Raises EmailTaken, UsernameTaken, ValidationFailed for a role that does not exist, Forbidden if the user would
        get a permission that `by` does not hold, and CannotBeMailed.
        """
        if not self.accounts.mailing:
            raise CannotBeMailed(_NO_MAIL)
        return self._add(invitee, "invitation", by=by, device=device, mailed=True)

    def add(self, invitee: Invitee, made_by: str, *, user_id: str | None = None, mailed: bool = False) -> Account:
        """Add an invited user for the operator, who hands over the `link`, or has it `mailed`.

        `made_by` is what the audit event says: command or bootstrap. Raises EmailTaken, UsernameTaken,
        ValidationFailed, and AlreadyThereError if there is a user `user_id`. Without a mail, EmailTaken is also raised
        for an address that another user claims: only who reads its mail takes it from them.
        """
        return self._add(invitee, made_by, user_id=user_id, mailed=mailed)

    def mail_again(self, account: Account) -> Account:
        """The account of an invited user with one more mail of the invitation; a new one, if it has expired.

        Unchanged if the user has no address, or mail cannot be sent.
        """
        if account.invited_email is not None:
            self.codes.replace_dead(account.invited_email, "invitation")
        return self.accounts.with_invitation_mail(account)

    def link(self, user_id: str) -> Link:
        """The link that the user can answer with, made anew if the invitation has expired.

        Raises InvalidCode if they are not invited (any more).
        """

        def live(account: Account) -> Account:
            return account.with_invitation(code_id=new_id(), now=self.accounts.clock())[0]

        account = self.accounts.change(user_id, live, missing=InvalidCode, among=INVITED)
        code = next(code for code in account.codes if code.purpose == "invitation")
        token = codes.make_token(self.secrets.current, "invitation", user_id, code.id)
        return Link(code.id, f"{self.public_url}/invitation#{token}", code.expires_at)

    def redeemable(self, *, token: str | None = None, email: str | None = None, code: str | None = None) -> Redeemable:
        """What a token, or an address and the code mailed to it, refer to; raises InvalidCode."""
        return self.codes.redeemable("invitation", token=token, email=email, code=code)

    def accept(self, found: Redeemable, answer: Answer, device: Device) -> Credentials:
        """Make an invited user active, once, whoever else tries at the same time; returns what a login would find.

        Raises InvalidCode; EmailTaken if another user has proven the address meanwhile; UsernameTaken; and
        ValidationFailed for the password, or if a user name is required. These leave the invitation valid.
        """
        known = self.accounts.users.account(found.owner_id)
        if known is None or known.user.status != "invited":
            raise InvalidCode
        known.require_code("invitation", found.code_id, self.accounts.clock())
        names = {"username": answer.username or known.user.username, "name": answer.name or known.user.name}
        self._check(answer, known, names["username"])
        password_hash = self.passwords.hash(answer.password)

        def accepted(account: Account) -> Account:
            now = self.accounts.clock()
            account.require_code("invitation", found.code_id, now)
            if account.pending_email is not None:
                self.accounts.take_email(account.pending_email.email, by=account.user.id)
            return account.accepted(found.code_id, now, password_hash=password_hash, **names)

        def written() -> Account:
            return self.accounts.change(
                found.owner_id,
                accepted,
                missing=InvalidCode,
                among=INVITED,
                actions=["user.accepted"],
                device=device,
            )

        try:
            account = written()
        except UsernameTaken:
            if not self.hides_accounts:
                raise
            names["username"] = known.user.username  # or the answer would tell who is called what
            account = written()
        self.throttle.clear(counted_names(account.user), account.user.id)
        return account.credentials

    def _check(self, answer: Answer, known: Account, username: str | None) -> None:
        if username is None and self.rules.registration_requires in {"username", "both"}:
            raise ValidationFailed(fields=(FieldError("username", "required", "A user name is required."),))
        if answer.username is not None and username_key(answer.username) in RESERVED:
            raise UsernameTaken
        own = (known.invited_email, known.user.username, known.user.name, answer.username, answer.name)
        self.passwords.check_new(answer.password, own, "password")

    def _add(
        self,
        invitee: Invitee,
        made_by: str,
        *,
        mailed: bool,
        by: Principal | None = None,
        device: Device | None = None,
        user_id: str | None = None,
    ) -> Account:
        if invitee.username is not None and username_key(invitee.username) in RESERVED:
            raise UsernameTaken
        if mailed and invitee.email is not None:
            self.codes.replace_dead(invitee.email, "invitation")
        for _ in range(_ATTEMPTS):
            now = self.accounts.clock()
            drafted = self._drafted(invitee, user_id or new_id(), mailed=mailed)
            account, _code = drafted.with_invitation(code_id=new_id(), now=now)
            if mailed:
                account = self.accounts.with_invitation_mail(account)
            account = self.accounts.announced(Change(["user.created"], None, account, by, {"by": made_by}))
            events = self._events(account.user, made_by, by, device, mailed=mailed)
            self._require_allowed(account.user.roles, by)  # last: right before the write
            with suppress(EmailTaken):  # claimed in between: then it is looked at again
                self.accounts.users.add(account, events)
                self._keep_or_withdraw(account, by)
                self.accounts.audit.tell(events)
                self.accounts.mail_waits.set()
                return account
        raise Unavailable(retry_after=1)

    def _drafted(self, invitee: Invitee, user_id: str, *, mailed: bool) -> Account:
        """The account without an invitation. Raises EmailTaken.

        An address that another user claims, but never proved, is pending: they lose it once the invited user proves it.
        Only the answer to a mail does that.
        """
        claimed = invitee.email is not None and self._is_claimed(invitee.email, user_id)
        if claimed and not mailed:
            raise EmailTaken
        now = self.accounts.clock()
        user = User(
            id=user_id,
            email=None if claimed else invitee.email,
            email_verified=False,
            username=invitee.username,
            name=invitee.name,
            roles=self.default_roles if invitee.roles is None else invitee.roles,
            status="invited",
            created_at=now,
        )
        account = Account(user, password_hash=None)
        if invitee.email is None or not claimed:
            return account
        return replace(account, pending_email=PendingEmail(new_id(), invitee.email, now))

    def _is_claimed(self, email: str, user_id: str) -> bool:
        """Whether another user has the address without having proven it; raises EmailTaken if it cannot be given."""
        key = comparable_email(email)
        other = self.accounts.users.account_by_email(key)
        invited = [other, *self.accounts.users.accounts_changing_to(key, 1)]
        if any(each is not None and each.user.status == "invited" for each in invited):
            raise EmailTaken(_ALREADY_INVITED)
        if self.accounts.is_taken(email, user_id):
            raise EmailTaken
        return other is not None

    def _events(
        self, user: User, made_by: str, by: Principal | None, device: Device | None, *, mailed: bool
    ) -> list[AuditEvent]:
        actor_id, audit = by.actor_on(user.id) if by is not None else None, self.accounts.audit
        events = [audit.event(user.id, "user.created", device, actor_id=actor_id, by=made_by)]
        if mailed:
            events.append(audit.event(user.id, "user.invited", device, actor_id=actor_id))
        return events

    def _require_allowed(self, roles: tuple[str, ...], by: Principal | None) -> None:
        if unknown := self.roles.unknown(roles):
            errors = tuple(FieldError("roles", "unknown_role", f"There is no role {role}.") for role in unknown)
            raise ValidationFailed(fields=errors)
        if by is not None:
            require_power(self.authority, self.roles, by, INVITE, over=roles)

    def _keep_or_withdraw(self, account: Account, by: Principal | None) -> None:
        """Look again after the write, and undo it if it should not have been made; raises what it failed for.

        An address is held before it is given up, a role is retired before its users are looked for, and `by` may have
        been demoted: each in the moment between the look and the write.
        """
        email = account.user.email
        try:
            if email is not None and self.accounts.is_held(comparable_email(email), account.user.id):
                raise EmailTaken
            self._require_allowed(account.user.roles, by)
        except Unavailable:
            raise  # nor could it be undone
        except Failure:
            self._withdraw(account.user.id)
            raise

    def _withdraw(self, user_id: str) -> None:
        now = self.accounts.clock()
        with suppress(Failure):  # answered or deleted meanwhile
            self.accounts.change(
                user_id,
                lambda account: account.deleted(roles=(), claimed_until=now, now=now),
                among=INVITED,
                actions=["user.deleted"],
            )
