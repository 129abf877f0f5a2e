"""Logging in: from a name and a password to a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.accounts.authentication import Authentication
from app.platform.errors import Failure, InvalidCredentials, SecondFactorRequired, SessionEnded
from app.sessions.proof import Proof

if TYPE_CHECKING:
    from app.accounts.breached import BreachNotice
    from app.accounts.former_system import FormerSystem
    from app.accounts.login_name import LoginName
    from app.accounts.model import Credentials, Users
    from app.accounts.passwords import PasswordService
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.sessions.failed_logins import FailedLogins
    from app.sessions.gate import LoginGate
    from app.sessions.session_tokens import OpenedSession
    from app.throttle.device_tokens import DeviceTokens
    from app.throttle.service import PasswordThrottle


@dataclass(frozen=True, slots=True)
class LoginService:
    """Exchanges a name and a password for a session."""

    users: Users
    passwords: PasswordService
    gate: LoginGate
    throttle: PasswordThrottle
    devices: DeviceTokens
    failed: FailedLogins
    breaches: BreachNotice
    clock: Clock
    former_system: FormerSystem | None = None

    def login(self, name: LoginName, password: str, device: Device, device_token: str = "") -> OpenedSession:
        """Open a session. `device_token` is what an earlier login gave to the device; one that is not good for this
        account makes it an unknown device, as does none.

        Raises InvalidCredentials for an unknown name as for a wrong password, after the same work; AccountDisabled,
        EmailNotVerified or SecondFactorRequired only when the password is right; TooManyRequests while such logins are
        refused, whatever the password;
        Unavailable or Overloaded if the former system has to be asked and cannot.
        """
        counted_as = name.counted_as
        credentials = self._find(name.kind, name.key)
        user_id = credentials.user.id if credentials else None
        known = self.devices.known(device_token, user_id, credentials.auth_epoch if credentials else 0)
        attempt = self.throttle.admit_login(counted_as, user_id, device.ip, known.id if known else None)
        if not self.passwords.verify(password, credentials, name=counted_as) or credentials is None:
            try:
                credentials = self._take_over(name, password, is_known=credentials is not None)
            except Failure:  # no answer tells nothing of the password, but must not be free for guesses either
                self.failed.count(attempt, user_id)
                raise
            if credentials is None:
                self.failed.note(user_id, "password", device)
                self.failed.count(attempt, user_id)
                raise InvalidCredentials
        # A device that guessed until its budget was used up is unknown, and not trusted either.
        trust = known.trust if known and attempt.device_id else None
        proof = Proof(credentials, Authentication(self.clock()), "login", attempt.name, attempt.device_id, trust)
        try:
            opened = self.gate.admit(proof, device)
        except SessionEnded:  # deleted, disabled or given a new password while this one was hashed
            raise InvalidCredentials from None
        except SecondFactorRequired:  # the password was right all the same
            self.breaches.after_login(credentials, password, device)
            raise
        self.breaches.after_login(credentials, password, device)
        return opened

    def _take_over(self, name: LoginName, password: str, *, is_known: bool) -> Credentials | None:
        if self.former_system is None:
            return None
        return self.former_system.take_over(name, password, is_known=is_known)

    def _find(self, kind: Literal["email", "username"], key: str | None) -> Credentials | None:
        if key is None:
            return None
        if kind == "email":
            return self.users.credentials_by_email(key)
        return self.users.credentials_by_username(key)
