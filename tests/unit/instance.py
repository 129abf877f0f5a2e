"""An instance of the service without its web side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.accounts.login_name import LoginName
from app.accounts.model import Credentials
from app.accounts.registration import NewAccount
from app.platform.devices import Device
from tests.api.service import PASSWORD

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.services import Services
    from app.sessions.service import OpenedSession
    from app.wiring import Wired

DEVICE = Device("192.0.2.1", "curl/8.5.0")


def session_of(wired: Wired, user_id: str) -> Principal:
    """Open a session for a user; what a request with its access token acts for."""
    account = wired.store.users.account(user_id)
    assert account is not None
    credentials = Credentials(account.user, account.password_hash, account.auth_epoch)
    return wired.services.sessions.authenticate(wired.services.sessions.open(credentials, DEVICE).access_token)


class Instance:
    """The wired application, and shorthands for what tests do with it."""

    def __init__(self, wired: Wired) -> None:
        self.wired = wired
        self.services: Services = wired.services

    def register(self, username: str = "ann", **more: Any) -> str:
        """Register a user; the identifier."""
        account = NewAccount(**{"password": PASSWORD, "username": username} | more)
        return self.services.registration.register(account).user.id

    def login(self, name: str, password: str = PASSWORD) -> OpenedSession:
        return self.services.login.login(LoginName("email" if "@" in name else "username", name), password, DEVICE)

    def login_of(self, username: str) -> OpenedSession:
        """Register a user and log in."""
        self.register(username)
        return self.login(username)
