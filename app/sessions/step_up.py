"""Step-up: proving in a session that the user is still there (RFC 9470).

The session keeps what was proven, so that a refresh gives tokens that say so; but the access tokens from before do not
gain by it, since each says for itself when and how its user authenticated (OWASP ASVS 5.0 section 7.2.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.accounts.authentication import AAL1, AAL2, LEVELS, Authentication
from app.accounts.credentials import counted_names
from app.platform.errors import (
    Forbidden,
    InsufficientAuthentication,
    InvalidCode,
    ReauthenticationRequired,
    SessionEnded,
)
from app.sessions.proof import is_guess, method_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.accounts.account import Account
    from app.accounts.credentials import CredentialService
    from app.accounts.model import Users
    from app.accounts.principal import Principal
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.sessions.proof import Evidence, LoginMethod
    from app.sessions.service import SessionService
    from app.sessions.session_tokens import IssuedAccess
    from app.throttle.service import PasswordThrottle

BY_PASSWORD: Final = "password"  # noqa: S105 - the name of a method
BY_PROVIDER: Final = "provider"
"""Not for `POST /auth/reauthenticate`: whoever has no password logs in by their provider again."""


@dataclass(frozen=True, slots=True)
class StepUpMethods:
    """By what a user proves in a session that they are still there."""

    users: Users
    methods: Sequence[LoginMethod]

    def of(self, user_id: str) -> tuple[str, ...]:
        """The methods of a user: those of their second factors, or else the password, or else a provider."""
        account = self.users.account(user_id)
        return (BY_PASSWORD,) if account is None else self.of_account(account)

    def needs_factor(self, user_id: str) -> bool:
        """Whether the user has a second factor, which a first one cannot stand in for."""
        return not {BY_PASSWORD, BY_PROVIDER} & set(self.of(user_id))

    def of_account(self, account: Account) -> tuple[str, ...]:
        """The methods of an account."""
        if not account.factors:
            return (BY_PASSWORD,) if account.password_hash or not account.identities else (BY_PROVIDER,)
        return tuple(each.name for each in self.methods if each.steps_up and each.name in account.factors)


@dataclass(frozen=True, slots=True)
class StepUp:
    """Renews the authentication of a session, and checks how strong and recent it is."""

    sessions: SessionService
    credentials: CredentialService
    throttle: PasswordThrottle
    known: StepUpMethods
    clock: Clock

    def by_password(self, principal: Principal, password: str, device: Device) -> IssuedAccess:
        """A new access token of this session, after its user's password.

        Raises WrongPassword and TooManyRequests as each confirmation does, and ReauthenticationRequired for a user who
        has a second factor, since the password alone does not do, or no password.
        """
        methods = self.known.of_account(self._account(principal))
        if BY_PASSWORD not in methods:
            raise ReauthenticationRequired(_BY_PROVIDER if BY_PROVIDER in methods else _BY_FACTOR, methods=methods)
        self.credentials.confirm(principal.user.id, password)
        return self.sessions.renew(principal, authentication_of(principal).repeated(self.clock()), device)

    def by_factor(self, principal: Principal, method: str, evidence: Evidence, device: Device) -> IssuedAccess:
        """A new access token of this session, after a second factor; `evidence` is bound to this session.

        Raises InvalidCode, which counts as a wrong confirmation; TooManyRequests after too many of them; and
        ValidationFailed for a method that does not prove this, as a recovery code.
        """
        prover = method_of((each for each in self.known.methods if each.steps_up), method, evidence)
        account = self._account(principal)
        names, user_id = counted_names(account.user), account.user.id
        self.throttle.check_confirmation(user_id)
        try:
            proven = prover.prove(account, evidence, device)
        except InvalidCode as failure:
            if is_guess(failure):
                self.throttle.fail_confirmation(names, user_id)
            raise
        self.throttle.succeed_confirmation(names, user_id)
        known = authentication_of(principal).with_factor(proven, self.clock())
        return self.sessions.renew(principal, known, device)

    def require(self, principal: Principal, acr: Sequence[str], max_age: Sequence[str]) -> None:
        """What a proxy demands: each value of `acr` to be reached, each of `max_age` (seconds) to be kept.

        Raises Forbidden for a value that there is not, and InsufficientAuthentication.
        """
        if not all(each in LEVELS for each in acr):
            raise Forbidden(f"acr has to be {AAL1} or {AAL2}.")
        if not all(each.isascii() and each.isdigit() and len(each) <= _DIGITS for each in max_age):
            raise Forbidden("max_age has to be a number of seconds.")
        highest = max(acr, key=LEVELS.index, default=None)
        shortest = min(map(int, max_age), default=None)
        if highest is None and shortest is None:
            return
        # Behind an API key there is no authentication of a person, and behind an impersonation not of this one.
        proven = authentication_of(principal) if principal.kind == "session" else None
        strong = proven is not None and (highest is None or proven.reaches(highest))
        recent = proven is not None and (shortest is None or proven.is_within(shortest, self.clock()))
        if not (strong and recent):
            raise InsufficientAuthentication(acr_values=highest, max_age=shortest)

    def _account(self, principal: Principal) -> Account:
        account = self.known.users.account(principal.user.id)
        if account is None or account.user.status != "active":
            raise SessionEnded
        return account


_BY_FACTOR: Final = "This account has a second factor: use it to authenticate again."
_BY_PROVIDER: Final = "This account has no password: log in with the account at its provider again."
_DIGITS: Final = 9
"""The most of a number of seconds."""


def authentication_of(principal: Principal) -> Authentication:
    """When and how the user of a session authenticated, by the access token that was presented. One of a former version
    does not say: there it was by password, when the session was opened."""
    return principal.authentication or Authentication(principal.opened_at)
