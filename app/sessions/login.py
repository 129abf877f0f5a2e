"""Logging in: from a name and a password to a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.platform.errors import AccountDisabled, EmailNotVerified, Failure, InvalidCredentials, SessionEnded

if TYPE_CHECKING:
    from app.accounts.former_system import FormerSystem
    from app.accounts.login_name import LoginName
    from app.accounts.model import Credentials, User, Users
    from app.accounts.passwords import PasswordService
    from app.platform.devices import Device
    from app.sessions.service import OpenedSession, SessionService
    from app.throttle.service import PasswordThrottle


@dataclass(frozen=True, slots=True)
class LoginService:
    """Exchanges a name and a password for a session."""

    users: Users
    passwords: PasswordService
    sessions: SessionService
    throttle: PasswordThrottle
    require_verified_email: bool = False
    former_system: FormerSystem | None = None

    def login(self, name: LoginName, password: str, device: Device) -> OpenedSession:
        """Open a session.

        Raises InvalidCredentials for an unknown name as for a wrong password, after the same work; AccountDisabled
        or EmailNotVerified only when the password is right; TooManyRequests while logins of this name are refused;
        Unavailable or Overloaded if the former system has to be asked and cannot.
        """
        counted_as = name.counted_as
        self.throttle.check_login(counted_as)
        credentials = self._find(name.kind, name.key)
        user_id = credentials.user.id if credentials else None
        self.throttle.check_account(counted_as, user_id)
        if not self.passwords.verify(password, credentials, name=counted_as) or credentials is None:
            try:
                credentials = self._take_over(name, password, is_known=credentials is not None)
            except Failure:  # no answer tells nothing of the password, but must not be free for guesses either
                self.throttle.fail_login(counted_as, user_id)
                raise
            if credentials is None:
                self.throttle.fail_login(counted_as, user_id)
                raise InvalidCredentials
        user = credentials.user
        self.throttle.succeed_login(counted_as, user.id)
        if user.status != "active":
            raise AccountDisabled
        if self.wants_verification(user):
            raise EmailNotVerified
        try:
            return self.sessions.open(credentials, device)
        except SessionEnded:  # deleted while the password was hashed
            raise InvalidCredentials from None

    def _take_over(self, name: LoginName, password: str, *, is_known: bool) -> Credentials | None:
        if self.former_system is None:
            return None
        return self.former_system.take_over(name, password, is_known=is_known)

    def wants_verification(self, user: User) -> bool:
        """Whether this user must verify their address before login. Users without an address are never blocked."""
        return self.require_verified_email and user.email is not None and not user.email_verified

    def _find(self, kind: Literal["email", "username"], key: str | None) -> Credentials | None:
        if key is None:
            return None
        if kind == "email":
            return self.users.credentials_by_email(key)
        return self.users.credentials_by_username(key)
