"""Logging in by mail: a code to type on the device that asked, or a link.

Asking is one write, whatever the address, and a worker does the rest (`app.mail_login.mailing`). What is mailed is
computed from the identifier of the login (`app.security.codes`); taking the login is one conditional write, so that of
everybody who has the code or the link exactly one gets in, and both die together. It is bound to the epoch of the
account and to the address: what ends all sessions of a user, or takes the address from them, ends it, too.

The code is one factor, the control of a mailbox. `LoginGate.admit` asks for the second one as after a password.
"""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.accounts.authentication import MAILED_CODE
from app.mail_login.model import MailLogin
from app.platform import pieces
from app.platform.errors import InvalidCode, SessionEnded
from app.platform.identifiers import comparable_email
from app.security import codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.accounts.account import Account
    from app.accounts.model import Users
    from app.mail_login.model import MailLogins
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.recovery.mailed_codes import MailedCodes
    from app.sessions.failed_logins import FailedLogins
    from app.sessions.gate import LoginGate
    from app.sessions.session_tokens import OpenedSession
    from app.throttle.device_tokens import DeviceTokens

LIVES: Final = timedelta(minutes=10)
TRIES: Final = 5
"""Codes that are compared for one login; then its link is dead, too."""
_REQUEST_BYTES: Final = 32
_ID_BYTES: Final = 16
_LONGEST_DEVICE: Final = 512


@dataclass(frozen=True, slots=True)
class MailLoginService:
    """Takes requests for a login by mail, and redeems what was mailed."""

    logins: MailLogins
    users: Users
    codes: MailedCodes
    gate: LoginGate
    failed: FailedLogins
    devices: DeviceTokens
    clock: Clock

    def request(self, email: str, device: Device) -> str:
        """Have a code and a link mailed, if the address is the verified one of an account; what to send with the code.

        The same write for any address, known or not. Each request has a code of its own; earlier ones go on.
        """
        request, now = random.token_urlsafe(_REQUEST_BYTES), self.clock()
        name = device.name[:_LONGEST_DEVICE]
        self.logins.add(MailLogin(id_of(request), email, device.ip, name, now, now + LIVES, now))
        # The courier is not woken: the work for a known address would slow down the requests right after this one.
        return request

    def by_code(self, request: str, code: str, device: Device, device_token: str = "") -> OpenedSession:
        """Open a session with the code, on the device that asked for it.

        A wrong code counts for this request, and for the address as guesses of all mailed codes do; not as a wrong
        password, or whoever asks in the owner's name could have their logins refused. It costs the same whether the
        address has an account or not. Raises InvalidCode, and what `LoginGate.admit` raises.
        """
        login = self.logins.find(id_of(request), self.clock())
        if login is None or not self.logins.count_try(login.id, TRIES):
            raise InvalidCode
        generation = self.codes.guesses.admit(login.email, "login")
        roots = self.codes.secrets
        if not codes.is_code(code, "login", login.id, login.id, roots, generation=generation):
            self.failed.note(login.user_id, "mailed_code", device)
            raise InvalidCode
        self.codes.guesses.take_back(login.email, "login")
        return self._open(login, device, device_token)

    def by_token(self, token: str, device: Device, device_token: str = "") -> OpenedSession:
        """Open a session with the token of the link. Raises InvalidCode, and what `LoginGate.admit` raises."""
        return self._open(self._of_token(token), device, device_token)

    def code_of(self, token: str) -> str:
        """The code that was mailed with a link, which is not used up. Raises InvalidCode if it is not live."""
        login = self._of_token(token)
        self._account(login)
        return self.codes.code_for(login.email, "login", login.id, login.id)

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete what is bound to a user who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.logins.remove_some_of(user_id, limit))

    def _of_token(self, token: str) -> MailLogin:
        sent = codes.parse_token(token)
        if sent is None or not codes.is_genuine(sent, "login", self.codes.secrets):
            raise InvalidCode
        login = self.logins.find(sent.owner_id, self.clock())
        if login is None or login.tries >= TRIES:
            raise InvalidCode
        return login

    def _open(self, login: MailLogin, device: Device, device_token: str) -> OpenedSession:
        if not self.logins.take(login.id):
            raise InvalidCode
        account = self._account(login)
        proof = self.gate.first_factor(account.credentials, "mail", MAILED_CODE)
        known = self.devices.device_of(device_token, account.user.id, account.auth_epoch)
        try:
            return self.gate.admit(replace(proof, device_id=self._usable(known)), device)
        except SessionEnded:  # deleted, disabled or given a new password while this was under way
            raise InvalidCode from None

    def _account(self, login: MailLogin) -> Account:
        """The account that a login leads to; raises InvalidCode if it has changed since the mail."""
        account = self.users.account(login.user_id) if login.user_id is not None else None
        if account is None or account.auth_epoch != login.auth_epoch or not leads_to(login.email, account):
            raise InvalidCode
        return account

    def _usable(self, device_id: str | None) -> str | None:
        """A known device, unless its budget is used up: then this proof by mail makes it a new one."""
        if device_id is not None and self.failed.throttle.devices.is_open(device_id):
            return device_id
        return None


def leads_to(email: str, account: Account) -> bool:
    """Whether whoever reads the mail of this address may log in to an account: it is active, and proved the address."""
    user = account.user
    if user.status != "active" or user.email is None or not user.email_verified:
        return False
    return comparable_email(user.email) == comparable_email(email)


def id_of(request: str) -> str:
    """The identifier of a login: 128 bits of the digest of what the device that asked for it holds."""
    return str(UUID(bytes=sha256(request.encode("utf-8", "surrogatepass")).digest()[:_ID_BYTES]))
