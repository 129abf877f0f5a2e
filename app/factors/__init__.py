"""Second factors: authenticator apps and recovery codes; what a login and a change of them need."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.accounts.service import Accounts
from app.factors import cli, controller
from app.factors.administration import FactorReset
from app.factors.imported import ImportedApps
from app.factors.reason import SecondFactorMissing
from app.factors.recovery_codes import RecoveryCodeMethod
from app.factors.service import FactorService
from app.factors.totp import TotpMethod, TotpVault
from app.factors.totp_secrets.model import TotpSecrets
from app.feature import Feature, Job, MailKind, Sealed, Tag
from app.roles.authority import Authority
from app.roles.service import Roles
from app.security.secret_keys import SecretKeys

if TYPE_CHECKING:
    from app.platform.container import Container


def _factors(parts: Container) -> FactorService:
    return FactorService(parts.get(Accounts), parts.get(TotpVault), parts.settings.mail.product_name)


FEATURE = Feature(
    tags=(
        Tag(
            "factors",
            "Second factors of a user.",
            (
                controller.factors,
                controller.begin_totp,
                controller.confirm_totp,
                controller.remove_totp,
                controller.renew_recovery_codes,
            ),
        ),
        Tag("administration", "", (controller.reset_factors,)),
    ),
    services={
        TotpVault: lambda parts: TotpVault(parts.get(TotpSecrets), parts.get(SecretKeys), parts.clock),
        ImportedApps: lambda parts: ImportedApps(parts.get(Accounts), parts.get(TotpVault), parts.get(SecretKeys)),
        FactorService: _factors,
        FactorReset: lambda parts: FactorReset(
            parts.get(Accounts), parts.get(FactorService), parts.get(Roles), parts.get(Authority)
        ),
    },
    login_reasons=(lambda _: SecondFactorMissing(),),
    login_methods=(
        lambda parts: TotpMethod(parts.get(TotpVault), parts.get(ImportedApps)),
        lambda parts: RecoveryCodeMethod(parts.get(Accounts)),
    ),
    repositories=(TotpSecrets,),
    erase=lambda parts: parts.get(TotpVault).erase,
    expires=(TotpSecrets,),
    reseals=lambda parts: parts.get(TotpVault).reseal,
    jobs=(lambda parts: Job("imported apps", timedelta(days=1), parts.get(ImportedApps).adopt_all),),
    sealed=lambda parts: Sealed("secrets of authenticator apps", parts.get(TotpVault).wrapped_by),
    mails=(
        MailKind("totp_added", __name__),
        MailKind("totp_removed", __name__),
        MailKind("recovery_codes_made", __name__),
        MailKind("recovery_code_used", __name__),
        MailKind("factors_reset", __name__),
    ),
    exports=(controller.exported,),
    commands=cli.COMMANDS,
)
