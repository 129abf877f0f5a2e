"""Second factors: authenticator apps and recovery codes; what a login and a change of them need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.service import Accounts
from app.factors import cli, controller
from app.factors.administration import FactorReset
from app.factors.reason import RequiredFactorMissing, SecondFactorMissing
from app.factors.recovery_codes import RecoveryCodeMethod
from app.factors.service import FactorService
from app.factors.totp import TotpMethod, TotpVault
from app.factors.totp_secrets.model import TotpSecrets
from app.feature import Feature, LoginMethods, MailKind, Sealed, Tag
from app.roles.authority import Authority
from app.roles.service import Roles
from app.security.secret_keys import SecretKeys

if TYPE_CHECKING:
    from app.platform.container import Container


def _factors(parts: Container) -> FactorService:
    return FactorService(parts.get(Accounts), parts.get(TotpVault), parts.settings.mail.product_name)


def _required(parts: Container) -> RequiredFactorMissing:
    methods = tuple(each.name for each in parts.get(LoginMethods).methods if each.enrols)
    return RequiredFactorMissing(parts.settings.accounts.require_second_factor, parts.get(Roles), methods)


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
        FactorService: _factors,
        FactorReset: lambda parts: FactorReset(
            parts.get(Accounts), parts.get(FactorService), parts.get(Roles), parts.get(Authority)
        ),
    },
    login_reasons=(lambda _: SecondFactorMissing(), _required),
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
    ),
    exports=(controller.exported,),
    commands=cli.COMMANDS,
)
