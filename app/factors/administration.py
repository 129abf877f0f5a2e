"""Removing the second factors of a user who lost them: by an administrator, or by the operator.

As with all that is done to users (`app.administration.users`), nobody does it to a user who holds permissions that they
lack, which is asked right before the write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.factors.listing import without_factors
from app.platform.errors import NotFound
from app.roles.authority import require_power

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.accounts.model import Status, User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.factors.service import FactorService
    from app.platform.devices import Device
    from app.roles.authority import Authority
    from app.roles.service import Roles

WRITE_USERS: Final = "users:write"
_ANYBODY: Final[tuple[Status, ...]] = ("active", "disabled", "invited")
_ACTOR: Final = "an administrator"


@dataclass(frozen=True, slots=True)
class FactorReset:
    """Removes all second factors of a user."""

    accounts: Accounts
    factors: FactorService
    roles: Roles
    authority: Authority

    def reset(self, user_id: str, reason: str, by: Principal | None, device: Device | None) -> User:
        """Remove all second factors of a user, end their sessions, and tell them; `by` is None for the operator.

        The password alone opens the account then. Nothing changes for a user without a second factor. Raises NotFound
        if there is no such user; Forbidden if they hold permissions that `by` lacks; SessionEnded if `by` has ended.
        """
        before: Account | None = None
        actions: list[str] = []

        def cleared(account: Account) -> Account:
            nonlocal before
            before = account
            actions[:] = ["factors.reset"] if account.factors else []
            changed = account
            if account.factors:
                changed = without_factors(account).in_new_epoch()
                # Text of others goes to proven addresses only.
                told = {"reason": reason} if reason and account.user.email_verified else {}
                changed = self.accounts.with_notice(changed, "factors_reset", account.user.email, actor=_ACTOR, **told)
            self._require_authority(by, account.user)  # last: right before the write
            return changed

        saved = self.accounts.change(
            user_id,
            cleared,
            by=by,
            missing=NotFound,
            among=_ANYBODY,
            actions=actions,
            details={"reason": reason} if reason else None,
            device=device,
        )
        self.factors.forget_dropped(before, saved)
        return saved.user

    def _require_authority(self, by: Principal | None, user: User) -> None:
        if by is not None:
            require_power(self.authority, self.roles, by, WRITE_USERS, over=user.roles)
