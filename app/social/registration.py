"""Registering somebody new whom a provider sends, without a password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.accounts.account import Account
from app.accounts.credentials import counted_names
from app.accounts.model import User
from app.accounts.publisher import Change
from app.hooks import Registration
from app.platform.devices import LONGEST_USER_AGENT
from app.platform.errors import EmailNotVerified, EmailTaken, Failure, RegistrationRefused, Unavailable
from app.platform.identifiers import comparable_email, new_id
from app.social.identities.rows import ChangedError, Linked

if TYPE_CHECKING:
    from app.accounts.service import Accounts
    from app.accounts.under_way import ListedIdentity
    from app.hooks.calls import Hooks
    from app.platform.devices import Device
    from app.social.identities.rows import IdentityRows
    from app.social.provider import Claims, Provider
    from app.throttle.guesses import Guesses
    from app.throttle.service import PasswordThrottle

_REGISTERED: Final = "user.registered"
_NO_SIGN_UP: Final = "Nobody is registered by this provider: log in another way, and link it there."
_NO_PROOF: Final = (
    "This service needs a proven e-mail address, and this provider proves none for you: register here, and link the"
    " provider then."
)


@dataclass(frozen=True, slots=True)
class SocialRegistration:
    """Makes users of whom a provider says who they are. `needs_email` is whether each has to have a proven address."""

    rows: IdentityRows
    accounts: Accounts
    throttle: PasswordThrottle
    guesses: Guesses
    default_roles: tuple[str, ...]
    needs_email: bool
    hooks: Hooks | None = None

    def register(
        self, provider: Provider, claims: Claims, email: str | None, proven: str | None, device: Device
    ) -> Linked:
        """A new user; `proven` is their address, and an `email` that is not proven is theirs once they answer a mail.

        Raises RegistrationRefused, EmailNotVerified, EmailTaken for an address that is held for its former owner, and
        ChangedError.
        """
        if not provider.allows_signup:
            raise RegistrationRefused(_NO_SIGN_UP)
        if proven is None and self.needs_email:
            raise EmailNotVerified(_NO_PROOF)
        user = User(
            id=new_id(),
            email=proven,
            email_verified=proven is not None,
            username=None,
            name=claims.usable_name,
            roles=self.default_roles,
            status="active",
            created_at=self.accounts.clock(),
        )
        self._ask_hooks(user, device)
        identity, listed = self.rows.claim(provider, claims, user.id)
        try:
            account = self._added(user, listed, email if proven is None else None, provider, device)
        except EmailTaken:
            self.rows.give_up(identity)
            if proven is not None and self.accounts.is_held(comparable_email(proven), user.id):
                raise
            raise ChangedError from None
        except Unavailable:  # it may be there
            raise
        except Failure:
            self.rows.give_up(identity)
            raise
        return Linked(account, identity)

    def _added(
        self, user: User, listed: ListedIdentity, unproven: str | None, provider: Provider, device: Device
    ) -> Account:
        account, details = Account(user, None, identities=(listed,)), {"provider": provider.id}
        if user.email is not None:
            self.accounts.take_email(user.email, by=user.id)
        elif unproven is not None and self.accounts.mailing:
            self.guesses.replace_dead(unproven, "verify")
            account, wanted = account.with_pending_email(unproven, code_id=new_id(), now=self.accounts.clock())
            account = self.accounts.with_notice(account, "change_email", unproven, code_id=wanted.id)
        events = [self.accounts.audit.event(user.id, _REGISTERED, device, **details)]
        account = self.accounts.announced(Change([_REGISTERED], None, account, details=details))
        self.accounts.users.add(account, events)
        self.accounts.audit.tell(events)
        self.accounts.note_new(user)
        # Or guesses at an address that was still free would delay the logins of its user.
        self.throttle.clear(counted_names(user), user.id)
        if account.outbox:
            self.accounts.mail_waits.set()
        return account

    def _ask_hooks(self, user: User, device: Device) -> None:
        if self.hooks is not None:
            agent = device.user_agent[:LONGEST_USER_AGENT]
            asked = Registration(email=user.email, username=None, name=user.name, ip=device.ip, user_agent=agent)
            self.hooks.check_registration(asked)
