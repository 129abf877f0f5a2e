"""Service accounts: users that are programs, not people, and act by API keys alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.deletion import DeletionService
from app.accounts.grants import GrantService
from app.accounts.service import Accounts
from app.api_keys.service import ApiKeyService
from app.feature import Feature, Tag
from app.roles.authority import Authority
from app.roles.service import Roles
from app.service_accounts import controller
from app.service_accounts.service import MANAGE, ServiceAccountService

if TYPE_CHECKING:
    from app.platform.container import Container


def _service_accounts(parts: Container) -> ServiceAccountService:
    accounts, roles, authority = parts.get(Accounts), parts.get(Roles), parts.get(Authority)
    return ServiceAccountService(
        accounts,
        parts.get(DeletionService),
        parts.get(ApiKeyService),
        roles,
        authority,
        GrantService(accounts, roles, authority, MANAGE, services=True),
    )


FEATURE = Feature(
    tags=(
        Tag(
            "service-accounts",
            "Accounts of programs, and their API keys.",
            (
                controller.service_accounts,
                controller.create,
                controller.change,
                controller.delete,
                controller.api_keys,
                controller.create_api_key,
                controller.delete_api_key,
            ),
        ),
    ),
    services={ServiceAccountService: _service_accounts},
    permissions=frozenset({controller.READ, MANAGE}),
)
