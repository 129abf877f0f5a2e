"""Giving users roles, and taking them away."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.platform.errors import Failure, FieldError, NotFound, Unavailable, ValidationFailed
from app.roles.authority import require_authority, require_permission
from app.roles.model import CHANGE_ROLES

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.accounts.model import Status, User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.platform.devices import Device
    from app.roles.authority import Authority
    from app.roles.service import Roles

_THERE: Final[tuple[Status, ...]] = ("active", "disabled", "invited")


@dataclass(frozen=True, slots=True)
class GrantService:
    """Sets the roles of people; of service accounts, if `services`. Whoever does that needs the `permission`."""

    accounts: Accounts
    roles: Roles
    authority: Authority
    permission: str = CHANGE_ROLES
    services: bool = False

    def set_roles(self, by: Principal | None, user_id: str, roles: tuple[str, ...], device: Device | None) -> User:
        """Give a user these roles and no others; it works on their next request. The operator is nobody (None).

        Raises NotFound, ValidationFailed for a role that does not exist, LastAdmin, and Forbidden if the user has
        or would get a permission that `by` does not hold.
        """
        before: list[User] = []
        actions: list[str] = []
        details: dict[str, str] = {}

        def granted(account: Account) -> Account:
            if self.services and account.user.kind is None:
                raise NotFound
            had = account.user.roles
            self._require_roles(roles)
            before[:] = [account.user]
            added, removed = (_joined(one, other) for one, other in ((roles, had), (had, roles)))
            actions[:] = ["roles.changed"] if added or removed else []
            details.update({"added": added, "removed": removed})
            changed = account.with_user(roles=roles) if actions else account
            self._require_authority(by, had, roles)  # last: right before the write
            return changed

        account = self.accounts.change(
            user_id,
            granted,
            by=by,
            missing=NotFound,
            among=_THERE,
            actions=actions,
            details=details,
            device=device,
            services=self.services,
        )
        if actions:
            self._keep_or_take_back(by, before[0], roles)
        return account.user

    def _require_roles(self, roles: tuple[str, ...]) -> None:
        if unknown := self.roles.unknown(roles):
            errors = tuple(FieldError("roles", "unknown_role", f"There is no role {role}.") for role in unknown)
            raise ValidationFailed(fields=errors)

    def _require_authority(self, by: Principal | None, *roles: tuple[str, ...]) -> None:
        if by is None:
            return
        held = self.authority.held_by(by)
        require_permission(held, self.permission)
        for each in roles:
            require_authority(held, self.roles.permissions_of(each))

    def _keep_or_take_back(self, by: Principal | None, before: User, roles: tuple[str, ...]) -> None:
        """Look again after the write, and undo it if it should not have been made; raises what it failed for.

        A role may have been retired before the write, but after it was looked at: whoever deletes it looks for users
        with it after that. And `by` may have been demoted in the same moment, in which they must not raise anybody.
        """
        added = tuple(role for role in roles if role not in before.roles)
        if not added:
            return
        try:
            self._require_roles(added)
            if (
                by is not None and by.user.id != before.id
            ):  # their own account was written as it was read with their authority
                self._require_authority(by, added)
        except Unavailable:
            raise  # nor could it be undone
        except Failure:
            self._take_back(before, roles)
            raise

    def _take_back(self, before: User, roles: tuple[str, ...]) -> None:
        actions: list[str] = []

        def taken_back(account: Account) -> Account:
            as_it_was = account.user.roles == roles
            actions[:] = ["roles.taken_back"] if as_it_was else []
            return account.with_user(roles=before.roles) if as_it_was else account

        with suppress(Failure):  # deleted meanwhile, or the last administrator by now
            self.accounts.change(before.id, taken_back, among=_THERE, actions=actions, services=self.services)


def _joined(roles: tuple[str, ...], without: tuple[str, ...]) -> str:
    return ",".join(role for role in roles if role not in without)
