"""Moving in and out: users from other systems, with their passwords, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.accounts.former_system import FormerSystem
from app.accounts.model import Users
from app.accounts.passwords import PasswordService
from app.accounts.service import Accounts
from app.config.former_values import signing_key
from app.factors.totp import TotpVault
from app.feature import Feature
from app.roles.service import Roles
from app.security.bounded_calls import BoundedCalls
from app.security.egress import Egress
from app.security.secret_keys import SecretKeys
from app.throttle.service import PasswordThrottle
from app.transfer import cli, controller
from app.transfer.exporting import ExportService
from app.transfer.former_system import AT_ONCE, FormerSystemOverHttp
from app.transfer.importing import ImportService

if TYPE_CHECKING:
    from app.platform.container import Container


def _imports(parts: Container) -> ImportService:
    return ImportService(
        parts.get(Accounts),
        parts.get(PasswordService),
        parts.get(PasswordThrottle),
        parts.get(SecretKeys),
        parts.get(TotpVault),
        parts.settings.accounts.default_roles,
        parts.get(Roles).unknown,
    )


def _former_system(parts: Container) -> FormerSystemOverHttp | None:
    url, secret = parts.settings.transfer.legacy_login_url, parts.settings.transfer.legacy_login_secret
    if url is None or secret is None:
        return None
    return FormerSystemOverHttp(
        url,
        signing_key(secret.get_secret_value()),
        parts.get(Users),
        parts.get(PasswordService),
        parts.get(ImportService),
        replace(parts.get(Egress), calls=BoundedCalls("former system", AT_ONCE)),
        parts.clock,
    )


FEATURE = Feature(
    services={
        ImportService: _imports,
        ExportService: lambda parts: ExportService(parts.get(Users), parts.get(SecretKeys), parts.get(TotpVault)),
        FormerSystem: _former_system,
    },
    exports=(controller.exported,),
    commands=(cli.users,),
)
