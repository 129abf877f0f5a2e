"""An instance of the service without its web side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from app.accounts.login_name import LoginName
from app.accounts.registration import NewAccount, RegistrationService
from app.platform.devices import Device
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.gate import LoginGate
from app.sessions.impersonation import ImpersonationService
from app.sessions.login import LoginService
from tests.api.service import PASSWORD
from tests.stores import Store

if TYPE_CHECKING:
    from app.accounts.model import Credentials
    from app.accounts.principal import Principal
    from app.platform.instrumentation import Grant
    from app.sessions.session_tokens import OpenedSession
    from app.wiring import Wired

T = TypeVar("T")
DEVICE = Device("192.0.2.1", "curl/8.5.0")


def session_of(wired: Wired, user_id: str) -> Principal:
    """Open a session for a user; what a request with its access token acts for."""
    account = Store(wired.store).users.account(user_id)
    assert account is not None
    gate = wired.get(LoginGate)
    proof = gate.first_factor(account.credentials, "login", "pwd")
    whole = replace(proof, authentication=proof.authentication.with_factor(("otp",), wired.parts.clock()))
    return wired.get(AccessTokenAuthenticator).authenticate(gate.admit(whole, DEVICE).access_token)


def opened(wired: Wired, credentials: Credentials, grant: Grant = "login") -> OpenedSession:
    """Open a session for a user of whom nothing but a password is asked."""
    gate = wired.get(LoginGate)
    return gate.admit(gate.first_factor(credentials, grant, "pwd"), DEVICE)


class Instance:
    """The wired application, and shorthands for what tests do with it."""

    def __init__(self, wired: Wired) -> None:
        self.wired = wired

    @property
    def store(self) -> Store:
        return Store(self.wired.store)

    def get(self, kind: type[T]) -> T:
        return self.wired.get(kind)

    def register(self, username: str = "ann", **more: Any) -> str:
        """Register a user; the identifier."""
        account = NewAccount(**{"password": PASSWORD, "username": username} | more)
        return self.wired.get(RegistrationService).register(account).user.id

    def login(
        self, name: str, password: str = PASSWORD, *, device: Device = DEVICE, device_token: str = ""
    ) -> OpenedSession:
        kind: Literal["email", "username"] = "email" if "@" in name else "username"
        return self.wired.get(LoginService).login(LoginName(kind, name), password, device, device_token)

    def login_of(self, username: str) -> OpenedSession:
        """Register a user and log in."""
        self.register(username)
        return self.login(username)

    def administrator(self, username: str = "boss") -> Principal:
        """Register an administrator; the principal of a session of theirs."""
        account = NewAccount(PASSWORD, username=username)
        user = self.wired.get(RegistrationService).register(account, roles=("admin",)).user
        return session_of(self.wired, user.id)

    def impersonation_of(self, user_id: str, by: Principal) -> Principal:
        """Let an administrator act for a user; what a request with that access token acts for."""
        begun = self.wired.get(ImpersonationService).begin(by, user_id, "Ticket 4711", DEVICE)
        return self.wired.get(AccessTokenAuthenticator).authenticate(begun.access_token)
