"""Second factors: authenticator apps and recovery codes; what a login and a change of them need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.account import FACTOR_RECOVERY
from app.accounts.service import Accounts
from app.factors import cli, controller, pages
from app.factors.administration import FactorReset
from app.factors.lost import LostFactors
from app.factors.reason import SecondFactorMissing
from app.factors.recovery_codes import RecoveryCodeMethod
from app.factors.service import FactorService
from app.factors.totp import TotpMethod, TotpVault
from app.factors.totp_secrets.model import TotpSecrets
from app.feature import Feature, MailKind, Sealed, Tag
from app.recovery.mailed_codes import MailedCodes
from app.roles.authority import Authority
from app.roles.service import Roles
from app.security.secret_keys import SecretKeys

if TYPE_CHECKING:
    from app.platform.container import Container


def _factors(parts: Container) -> FactorService:
    return FactorService(parts.get(Accounts), parts.get(TotpVault), parts.settings.mail.product_name)


def _lost_factors(parts: Container) -> LostFactors:
    hours = parts.settings.accounts.factor_recovery_hours
    return LostFactors(parts.get(Accounts), parts.get(FactorService), parts.get(MailedCodes), hours)


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
                controller.recover_factors,
                controller.cancel_factor_recovery,
                controller.cancel_mailed_recovery,
            ),
        ),
        Tag("administration", "", (controller.reset_factors,)),
    ),
    pages=(Tag("pages", "", (pages.cancel_recovery, pages.cancel_mailed)),),
    services={
        TotpVault: lambda parts: TotpVault(parts.get(TotpSecrets), parts.get(SecretKeys), parts.clock),
        FactorService: _factors,
        LostFactors: _lost_factors,
        FactorReset: lambda parts: FactorReset(
            parts.get(Accounts), parts.get(FactorService), parts.get(Roles), parts.get(Authority)
        ),
    },
    login_settlings=(lambda parts: parts.get(LostFactors).settle,),
    handlers={FACTOR_RECOVERY: lambda parts: parts.get(LostFactors).take_up},
    login_reasons=(lambda _: SecondFactorMissing(),),
    login_methods=(
        lambda parts: TotpMethod(parts.get(TotpVault)),
        lambda parts: RecoveryCodeMethod(parts.get(Accounts)),
    ),
    repositories=(TotpSecrets,),
    erase=lambda parts: parts.get(TotpVault).erase,
    expires=(TotpSecrets,),
    reseals=lambda parts: parts.get(TotpVault).reseal,
    sealed=lambda parts: Sealed("secrets of authenticator apps", parts.get(TotpVault).wrapped_by),
    mails=(
        MailKind("totp_added", __name__),
        MailKind("totp_removed", __name__),
        MailKind("recovery_codes_made", __name__),
        MailKind("recovery_code_used", __name__),
        MailKind("factors_reset", __name__),
        MailKind(FACTOR_RECOVERY, __name__, page="cancel-recovery"),
        MailKind("factor_recovery_cancelled", __name__),
        MailKind("factors_recovered", __name__),
    ),
    exports=(controller.exported,),
    commands=cli.COMMANDS,
)
