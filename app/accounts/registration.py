"""Creates accounts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.accounts.account import Account
from app.accounts.credentials import counted_names
from app.accounts.mail_requests.model import PendingRegistration
from app.accounts.model import AlreadyThereError, User
from app.accounts.publisher import Change
from app.hooks import Registration
from app.platform.devices import LONGEST_USER_AGENT
from app.platform.errors import EmailTaken, InvalidCode, Unavailable, UsernameTaken
from app.platform.identifiers import comparable_email, new_id, username_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.accounts.model import Credentials
    from app.accounts.passwords import PasswordService
    from app.accounts.service import Accounts
    from app.audit.model import AuditEvent
    from app.hooks.calls import Hooks
    from app.platform.devices import Device
    from app.throttle.guesses import Guesses
    from app.throttle.service import PasswordThrottle

RESERVED = frozenset({"admin", "administrator", "root", "system", "support"})
"""User names that nobody can register, because others would take them for the operator's."""
_ATTEMPTS = 10
_REGISTERED = "user.registered"
_CREATED = "user.created"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The input of a registration: validated by `inputs`, with at least one of `email` and `username`."""

    password: str = field(repr=False)
    email: str | None = None
    username: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class RegistrationService:
    """Creates accounts; `default_roles` are those of a new user, `hides_accounts` is the setting HIDE_ACCOUNTS.

    The hooks may refuse a registration that a client asks for, from a device; they are not asked about those of
    commands.
    """

    accounts: Accounts
    passwords: PasswordService
    guesses: Guesses
    throttle: PasswordThrottle
    default_roles: tuple[str, ...]
    hides_accounts: bool = False
    hooks: Hooks | None = None

    def register(
        self,
        new: NewAccount,
        device: Device | None = None,
        *,
        roles: tuple[str, ...] | None = None,
        made_by: str | None = None,
    ) -> Credentials:
        """Store a new user with these roles, or the default ones, and mail them a code to verify their address.

        `made_by` is who made the account, as its event says, if that is not the user. Raises EmailTaken, UsernameTaken,
        ValidationFailed, RegistrationRefused. Of concurrent registrations of a name exactly one succeeds.
        """
        user = self._user(new, roles)
        if device is not None:
            self._ask_hooks(new, device)
        password_hash = self._hash(new)
        account = Account(user, password_hash)
        if new.email is not None and self.accounts.mailing:
            self.guesses.replace_dead(new.email, "verify")
            account = self.accounts.with_verification_mail(account)
        self._add(account, device, made_by)
        self._forget_failures(account.user)
        self.accounts.mail_waits.set()
        return account.credentials

    def register_hidden(self, new: NewAccount, device: Device) -> None:
        """Store a registration until its mail is answered: the same work and the same answer for all names.

        Raises ValidationFailed, RegistrationRefused, and UsernameTaken for a reserved name.
        """
        self._user(new, None)
        self._ask_hooks(new, device)
        pending = PendingRegistration(new.username, new.name, password_hash=self._hash(new))
        self.accounts.ask_for_mail("register", new.email or "", pending)

    def complete(self, request_id: str, device: Device) -> User:
        """Create the user of a registration whose mail was answered; their address is proven.

        If the user name was taken meanwhile, the user is created without one instead of being refused.
        Raises InvalidCode, or EmailTaken.
        """
        request = self.accounts.requests.get(request_id)
        if request is None or request.registration is None or request.expires_at <= self.accounts.clock():
            raise InvalidCode
        pending = request.registration
        new = NewAccount("", request.email, pending.username, pending.name)
        user = replace(self._user(new, None), id=request.id, email_verified=True)
        for _ in range(_ATTEMPTS):
            self.accounts.take_email(request.email, by=user.id)
            events = [self.accounts.audit.event(user.id, _REGISTERED, device)]
            account = self.accounts.announced(Change([_REGISTERED], None, Account(user, pending.password_hash)))
            try:
                self.accounts.users.add(account, events)
            except AlreadyThereError:
                # The same code was redeemed at the same moment: the other request created the user.
                raise InvalidCode from None
            except EmailTaken:
                continue  # claimed in between: `take_email` decides whether that account keeps it
            except UsernameTaken:
                user = replace(user, username=None)
                continue
            self._tell(user, events)
            self._forget_failures(user)
            self.accounts.requests.remove(request.id)
            if account.outbox:
                self.accounts.mail_waits.set()
            return user
        raise Unavailable

    def _user(self, new: NewAccount, roles: tuple[str, ...] | None) -> User:
        if new.username is not None and username_key(new.username) in RESERVED:
            raise UsernameTaken
        return User(
            id=new_id(),
            email=new.email,
            email_verified=False,
            username=new.username,
            name=new.name,
            roles=self.default_roles if roles is None else roles,
            status="active",
            created_at=self.accounts.clock(),
        )

    def _ask_hooks(self, new: NewAccount, device: Device) -> None:
        """Before anything is looked up, so that an answer tells nothing of other accounts, and before the hash."""
        if self.hooks is not None:
            self.hooks.check_registration(
                Registration(
                    email=new.email,
                    username=new.username,
                    name=new.name,
                    ip=device.ip,
                    user_agent=device.user_agent[:LONGEST_USER_AGENT],
                )
            )

    def _hash(self, new: NewAccount) -> str:
        self.passwords.check_new(new.password, (new.email, new.username, new.name), "password")
        return self.passwords.hash(new.password)

    def _forget_failures(self, user: User) -> None:
        """Clear the failed logins of the new user's names. Otherwise guesses at a name that was still free would lock
        it for the user who registers it, for up to a year."""
        self.throttle.clear(counted_names(user), user.id)

    def _add(self, account: Account, device: Device | None, made_by: str | None) -> None:
        user, audit = account.user, self.accounts.audit
        action, details = (_REGISTERED, {}) if made_by is None else (_CREATED, {"by": made_by})
        events = [audit.event(user.id, action, device, **details)]
        self.accounts.users.add(self.accounts.announced(Change([action], None, account, details=details)), events)
        # Checked after the claim, since an address is held before it is given up: so no hold is missed.
        if user.email is not None and self.accounts.is_held(comparable_email(user.email), user.id):
            for _ in self.accounts.audit.erase(user.id):
                pass
            self.accounts.users.remove(user.id)
            raise EmailTaken
        self._tell(user, events)

    def _tell(self, user: User, events: Sequence[AuditEvent]) -> None:
        """Do what follows when a new user is there for good."""
        self.accounts.audit.tell(events)
        self.accounts.note_new(user)
