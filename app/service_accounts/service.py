"""Creates, lists and deletes service accounts, and checks who may manage their API keys."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.accounts.account import Account
from app.accounts.model import User
from app.platform.errors import Failure, FieldError, NotFound, ValidationFailed
from app.platform.identifiers import new_id
from app.roles.authority import require_power

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.deletion import DeletionService
    from app.accounts.grants import GrantService
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.api_keys.service import ApiKeyService, CreatedKey, NewKey
    from app.platform.devices import Device
    from app.roles.authority import Authority
    from app.roles.service import Roles

MANAGE: Final = "service_accounts:write"
"""The permission to create and delete service accounts and their API keys."""


@dataclass(frozen=True, slots=True)
class ServiceAccountPage:
    """Some service accounts, oldest first; the next page starts after the identifier `next`, None at the end."""

    accounts: list[User]
    next: str | None


@dataclass(frozen=True, slots=True)
class ServiceAccountService:
    """Service accounts are for programs; people who hold all that such an account may do manage it."""

    accounts: Accounts
    deletion: DeletionService
    keys: ApiKeyService
    roles: Roles
    authority: Authority
    grants: GrantService
    """That for service accounts."""

    def create(self, name: str, roles: tuple[str, ...], device: Device, *, by: Principal) -> User:
        """Create a service account with these roles.

        Raises ValidationFailed for a role that does not exist, and Forbidden for one that permits what `by` does not
        hold.
        """
        self._require_roles(roles, by)
        user = User(
            id=new_id(),
            email=None,
            email_verified=False,
            username=None,
            name=name,
            roles=roles,
            status="active",
            created_at=self.accounts.clock(),
            kind="service",
        )
        actor_id = by.actor_on(user.id)
        event = self.accounts.audit.event(user.id, "service_account.created", device, actor_id=actor_id)
        self.accounts.users.add(Account(user, None), [event])
        self.accounts.audit.tell([event])
        # A role may have been retired, or `by` demoted, between the look and the write.
        try:
            self._require_roles(roles, by)
        except Failure:
            with suppress(Failure):
                self._delete(user.id, lambda account: account, device, by=None)
            raise
        return user

    def list_all(self, *, after: str | None, limit: int) -> ServiceAccountPage:
        """Up to `limit` service accounts after `after`."""
        found = self.accounts.users.service_accounts(after=after, limit=limit + 1)
        page = found[:limit]
        return ServiceAccountPage(page, page[-1].id if len(found) > limit else None)

    def get(self, account_id: str) -> User:
        """A service account; raises NotFound."""
        account = self.accounts.users.account(account_id)
        if account is None or account.user.status == "deleted" or account.user.kind != "service":
            raise NotFound
        return account.user

    def set_roles(self, account_id: str, roles: tuple[str, ...], device: Device, *, by: Principal) -> User:
        """Give a service account these roles and no others; it works on its next request.

        Raises NotFound, ValidationFailed for a role that does not exist, and Forbidden if it may do, or would, what
        `by` may not.
        """
        return self.grants.set_roles(by, account_id, roles, device)

    def delete(self, account_id: str, device: Device, *, by: Principal) -> None:
        """Delete a service account with its keys; raises NotFound, and Forbidden if it may do what `by` may not."""

        def checked(account: Account) -> Account:
            self._require_authority(account, by)
            return account

        self._delete(account_id, checked, device, by=by)

    def create_key(self, account_id: str, new: NewKey, device: Device, *, by: Principal) -> CreatedKey:
        """Make a key of a service account: see `ApiKeyService.create`. Raises Forbidden as `delete` does."""
        return self.keys.create(account_id, new, device, by=by, check=self._check_by(by))

    def delete_key(self, account_id: str, key_id: str, device: Device, *, by: Principal) -> None:
        """End a key of a service account; raises NotFound, and Forbidden as `delete` does."""
        self.keys.delete(account_id, key_id, device, by=by, check=self._check_by(by))

    def _delete(
        self, account_id: str, check: Callable[[Account], Account], device: Device, *, by: Principal | None
    ) -> None:
        self.deletion.delete_if(
            account_id, check, device, action="service_account.deleted", by=by, missing=NotFound, services=True
        )

    def _check_by(self, by: Principal) -> Callable[[Account], None]:
        return lambda account: self._require_authority(account, by)

    def _require_authority(self, account: Account, by: Principal) -> None:
        """Raises NotFound for a person; Forbidden if the account may do what `by` may not, as of now."""
        if account.user.kind != "service":
            raise NotFound
        require_power(self.authority, self.roles, by, MANAGE, over=account.user.roles)

    def _require_roles(self, roles: tuple[str, ...], by: Principal) -> None:
        """Raises ValidationFailed for a role that does not exist; Forbidden for one beyond what `by` holds now."""
        if unknown := self.roles.unknown(roles):
            errors = tuple(FieldError("roles", "unknown_role", f"There is no role {role}.") for role in unknown)
            raise ValidationFailed(fields=errors)
        require_power(self.authority, self.roles, by, MANAGE, over=roles)
