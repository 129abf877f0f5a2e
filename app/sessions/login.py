"""Logging in: from a name and a password to a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.audit.model import FAILURE
from app.platform.errors import AccountDisabled, EmailNotVerified, Failure, InvalidCredentials, SessionEnded

if TYPE_CHECKING:
    from app.accounts.breached import BreachNotice
    from app.accounts.former_system import FormerSystem
    from app.accounts.login_name import LoginName
    from app.accounts.model import Credentials, User, Users
    from app.accounts.passwords import PasswordService
    from app.audit.late_events import LateEvents
    from app.audit.service import Audit
    from app.platform.devices import Device
    from app.sessions.attacks import AttackNotices
    from app.sessions.service import OpenedSession, SessionService
    from app.throttle.device_tokens import DeviceTokens
    from app.throttle.service import Attempt, PasswordThrottle


@dataclass(frozen=True, slots=True)
class LoginService:
    """Exchanges a name and a password for a session."""

    users: Users
    passwords: PasswordService
    sessions: SessionService
    throttle: PasswordThrottle
    devices: DeviceTokens
    audit: Audit
    late: LateEvents
    attacks: AttackNotices
    breaches: BreachNotice
    require_verified_email: bool = False
    former_system: FormerSystem | None = None

    def login(self, name: LoginName, password: str, device: Device, device_token: str = "") -> OpenedSession:
        """Open a session. `device_token` is what an earlier login gave to the device; one that is not good for this
        account makes it an unknown device, as does none.

        Raises InvalidCredentials for an unknown name as for a wrong password, after the same work; AccountDisabled
        or EmailNotVerified only when the password is right; TooManyRequests while such logins are refused, whatever the
        password;
        Unavailable or Overloaded if the former system has to be asked and cannot.
        """
        counted_as = name.counted_as
        credentials = self._find(name.kind, name.key)
        user_id = credentials.user.id if credentials else None
        device_id = self.devices.device_of(device_token, user_id, credentials.auth_epoch if credentials else 0)
        attempt = self.throttle.admit_login(counted_as, user_id, device.ip, device_id)
        if not self.passwords.verify(password, credentials, name=counted_as) or credentials is None:
            try:
                credentials = self._take_over(name, password, is_known=credentials is not None)
            except Failure:  # no answer tells nothing of the password, but must not be free for guesses either
                self._fail(attempt, user_id)
                raise
            if credentials is None:
                self._note_failure(user_id, "password", device)
                self._fail(attempt, user_id)
                raise InvalidCredentials
        user = credentials.user
        self.throttle.succeed_login(attempt)
        if user.status != "active":
            self._note_failure(user.id, user.status, device)
            raise AccountDisabled
        if self.wants_verification(user):
            self._note_failure(user.id, "unverified", device)
            raise EmailNotVerified
        try:
            opened = self.sessions.open(credentials, device, device_id=attempt.device_id)
        except SessionEnded:  # deleted, disabled or given a new password while this one was hashed
            raise InvalidCredentials from None
        self.breaches.after_login(credentials, password, device)
        return opened

    def _take_over(self, name: LoginName, password: str, *, is_known: bool) -> Credentials | None:
        if self.former_system is None:
            return None
        return self.former_system.take_over(name, password, is_known=is_known)

    def wants_verification(self, user: User) -> bool:
        """Whether this user must verify their address before login. Users without an address are never blocked."""
        return self.require_verified_email and user.email is not None and not user.email_verified

    def _fail(self, attempt: Attempt, user_id: str | None) -> None:
        if self.throttle.fail_login(attempt) and user_id is not None:
            self.attacks.tell_later(user_id)

    def _note_failure(self, user_id: str | None, reason: str, device: Device) -> None:
        """Have an audit event stored, of an account at most one a minute and reason, so that guessers fill no table.

        Where there is no account the same is done in vain: the time of the reply must not tell.
        """
        minute = self.audit.clock().replace(second=0, microsecond=0)
        event = self.audit.event_once(
            user_id or "",
            "login.failed",
            device,
            since=minute,
            subject=f"{user_id} {reason}",
            outcome=FAILURE,
            reason=reason,
        )
        if user_id is not None:
            self.late.add(event)

    def _find(self, kind: Literal["email", "username"], key: str | None) -> Credentials | None:
        if key is None:
            return None
        if kind == "email":
            return self.users.credentials_by_email(key)
        return self.users.credentials_by_username(key)
