"""Tells users who log in with a password that is known from a breach (NIST SP 800-63B-4 3.1.1.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from app.platform.errors import Failure, SessionEnded
from app.platform.log import reason_of

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.accounts.model import Credentials
    from app.accounts.passwords import BreachCheck
    from app.accounts.service import Accounts
    from app.platform.devices import Device

_TOLD = "password.breached"
_log = structlog.get_logger("latchkey.passwords")


@dataclass(frozen=True, slots=True)
class BreachNotice:
    """Looks a password up once it was found to be right at a login, if `check` can do that without a network.

    A range service is not asked then: its answer may take a second, and it would learn when people log in.
    """

    accounts: Accounts
    check: BreachCheck | None

    def after_login(self, credentials: Credentials, password: str, device: Device) -> None:
        """If the password is known, mail its user, and record `password.breached`: once in each epoch of the account,
        so again for another password, or after all sessions were ended.

        The login goes on, whatever fails here. It is called with the right password only: its time tells nothing of the
        accounts whose password a caller does not have.
        """
        if self.check is None or not self.check.is_local:
            return
        try:
            if self.check.contains(password):
                self._tell(credentials, device)
        except SessionEnded:
            pass  # deleted, disabled or given another password meanwhile
        except Failure as error:
            _log.warning("a login was not checked for a breached password", cause=reason_of(error))

    def _tell(self, credentials: Credentials, device: Device) -> None:
        actions: list[str] = []

        def told(account: Account) -> Account:
            actions.clear()
            if account.auth_epoch != credentials.auth_epoch or account.breach_told_in == account.auth_epoch:
                return account
            actions.append(_TOLD)
            noted = replace(account, breach_told_in=account.auth_epoch)
            return self.accounts.with_warning(noted, "password_breached", device)

        self.accounts.change(credentials.user.id, told, actions=actions, device=device)
