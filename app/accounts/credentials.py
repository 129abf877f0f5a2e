"""The password of an account: confirmed and changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.accounts.login_name import LoginName
from app.platform.errors import (
    FieldError,
    ReauthenticationRequired,
    SessionEnded,
    ValidationFailed,
    WrongPassword,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.account import Account
    from app.accounts.model import User
    from app.accounts.passwords import PasswordService
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.platform.devices import Device
    from app.throttle.service import PasswordThrottle


@dataclass(frozen=True, slots=True)
class CredentialService:
    """Confirms and changes passwords."""

    accounts: Accounts
    passwords: PasswordService
    throttle: PasswordThrottle

    def confirm(self, user_id: str, password: str) -> Account:
        """The account, if this is its password.

        Raises WrongPassword, which also counts as a failed login, and TooManyRequests after too many of them. Failed
        logins do not count here, or an attacker could keep the owner from changing the password.
        """
        account = self.accounts.users.account(user_id)
        if account is None or account.user.status != "active":
            raise SessionEnded
        names = counted_names(account.user)
        self.throttle.check_confirmation(user_id)
        if not self.passwords.verify(password, account):
            self.throttle.fail_confirmation(names, user_id)
            raise WrongPassword
        self.throttle.succeed_confirmation(names, user_id)
        return account

    def confirm_owner(self, user_id: str, password: str | None, require_fresh_login: Callable[[], None]) -> Account:
        """The account, if its owner sends the request: by the password, or by a recent login where there is none.

        Raises what `confirm` and `require_fresh_login` raise, and ValidationFailed if the password is missing.
        """
        if password is not None:
            return self.confirm(user_id, password)
        account = self.accounts.users.account(user_id)
        if account is None or account.user.status != "active":
            raise SessionEnded
        if account.password_hash:
            raise ValidationFailed(fields=(FieldError("password", "required", "This field is required."),))
        require_fresh_login()
        return account

    def change(self, principal: Principal, current: str, new: str, device: Device) -> None:
        """Replace the password; all sessions end except that of `principal`.

        Raises ValidationFailed, WrongPassword, TooManyRequests, and SessionEnded if that session has ended meanwhile:
        keeping it would revive it.
        """
        verified = self.confirm(principal.user.id, current)
        self.passwords.check_new(new, own_words(principal.user), "new_password")
        password_hash = self.passwords.hash(new)

        def changed(account: Account) -> Account:
            refuse_if_changed(account, since=verified)
            told = self.accounts.with_warning(account, "password_changed", device)
            return told.with_password(password_hash, keep=principal.session_id)

        self.accounts.change(principal.user.id, changed, by=principal, actions=["password.changed"], device=device)


def refuse_if_changed(account: Account, *, since: Account) -> None:
    """Raises WrongPassword if the password has changed since it was confirmed for `since`.

    It compares the epochs, since every password change raises the epoch; the hash itself may have been upgraded.
    """
    if account.auth_epoch != since.auth_epoch:
        raise WrongPassword


def nobody_is_fresh() -> None:
    """Stands for the check of a recent login where there is no session to check."""
    raise ReauthenticationRequired


def own_words(user: User) -> tuple[str | None, ...]:
    """The words of a user that must not be their password."""
    return (user.email, user.username, user.name)


def counted_names(user: User) -> list[str]:
    """The names under which wrong passwords of a user are counted at login."""
    names = []
    if user.email:
        names.append(LoginName("email", user.email).counted_as)
    if user.username:
        names.append(LoginName("username", user.username).counted_as)
    return names
