"""Second factors: passkeys, authenticator apps and recovery codes; what a login and a change of them need."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

from app.accounts.factors import FACTOR_RECOVERY
from app.accounts.provider_ids import ProviderIds
from app.accounts.service import Accounts
from app.factors import cli, controller, pages
from app.factors.administration import FactorReset
from app.factors.ceremonies.model import Ceremonies
from app.factors.ceremonies.service import CeremonyService
from app.factors.imported import ImportedApps
from app.factors.lost import LostFactors
from app.factors.passkeys import controller as passkeys
from app.factors.passkeys.login import PasskeyLogin
from app.factors.passkeys.method import PasskeyMethod
from app.factors.passkeys.model import Passkeys
from app.factors.passkeys.service import PasskeyService
from app.factors.passkeys.vault import PasskeyVault
from app.factors.passkeys.verification import RelyingParty
from app.factors.reason import RequiredFactorMissing, SecondFactorMissing
from app.factors.recovery_codes import RecoveryCodeMethod
from app.factors.service import FactorService
from app.factors.totp import TotpMethod, TotpVault
from app.factors.totp_secrets.model import TotpSecrets
from app.feature import Feature, Job, LoginMethods, MailKind, Sealed, Tag
from app.recovery.mailed_codes import MailedCodes
from app.roles.authority import Authority
from app.roles.service import Roles
from app.security.secret_keys import SecretKeys
from app.sessions.failed_logins import FailedLogins
from app.sessions.gate import LoginGate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.platform.container import Container


def _factors(parts: Container) -> FactorService:
    vaults = parts.get(TotpVault), parts.get(PasskeyVault)
    return FactorService(parts.get(Accounts), *vaults, parts.settings.mail.product_name)


def _passkey_vault(parts: Container) -> PasskeyVault:
    settings = parts.settings
    party = RelyingParty(settings.passkeys.rp_id, settings.mail.product_name, settings.passkeys.origins)
    return PasskeyVault(parts.get(Passkeys), parts.get(Accounts), party)


def _passkey_login(parts: Container) -> PasskeyLogin:
    return PasskeyLogin(
        parts.get(PasskeyVault),
        parts.get(CeremonyService),
        parts.get(LoginGate),
        parts.get(FailedLogins),
        parts.clock,
    )


def _erase(parts: Container) -> Callable[[str], Iterator[None]]:
    apps, keys, ceremonies = parts.get(TotpVault), parts.get(PasskeyVault), parts.get(CeremonyService)
    return lambda user_id: chain(ceremonies.erase(user_id), keys.erase(user_id), apps.erase(user_id))


def _lost_factors(parts: Container) -> LostFactors:
    hours = parts.settings.accounts.factor_recovery_hours
    return LostFactors(parts.get(Accounts), parts.get(FactorService), parts.get(MailedCodes), hours)


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
                controller.recover_factors,
                controller.cancel_factor_recovery,
                controller.cancel_mailed_recovery,
            ),
        ),
        Tag(
            "passkeys",
            "Passkeys of a user (WebAuthn).",
            (
                passkeys.ask_for_new,
                passkeys.add_passkey,
                passkeys.passkeys,
                passkeys.rename_passkey,
                passkeys.remove_passkey,
            ),
        ),
        Tag("auth", "", (passkeys.ask_to_log_in, passkeys.log_in_with_passkey, passkeys.ask_at_login)),
        Tag("sessions", "", (passkeys.ask_in_session,)),
        Tag("administration", "", (controller.reset_factors,)),
    ),
    pages=(Tag("pages", "", (pages.cancel_recovery, pages.cancel_mailed)),),
    services={
        TotpVault: lambda parts: TotpVault(parts.get(TotpSecrets), parts.get(SecretKeys), parts.clock),
        CeremonyService: lambda parts: CeremonyService(parts.get(Ceremonies), parts.clock),
        PasskeyVault: _passkey_vault,
        PasskeyLogin: _passkey_login,
        PasskeyService: lambda parts: PasskeyService(
            parts.get(Accounts),
            parts.get(FactorService),
            parts.get(PasskeyVault),
            parts.get(CeremonyService),
            parts.get(LoginGate),
            parts.get(ProviderIds),
        ),
        ImportedApps: lambda parts: ImportedApps(parts.get(Accounts), parts.get(TotpVault), parts.get(SecretKeys)),
        FactorService: _factors,
        LostFactors: _lost_factors,
        FactorReset: lambda parts: FactorReset(
            parts.get(Accounts), parts.get(FactorService), parts.get(Roles), parts.get(Authority)
        ),
    },
    login_settlings=(lambda parts: parts.get(LostFactors).settle,),
    handlers={FACTOR_RECOVERY: lambda parts: parts.get(LostFactors).take_up},
    login_reasons=(lambda _: SecondFactorMissing(), _required),
    login_methods=(
        lambda parts: PasskeyMethod(parts.get(PasskeyVault), parts.get(CeremonyService)),
        lambda parts: TotpMethod(parts.get(TotpVault), parts.get(ImportedApps)),
        lambda parts: RecoveryCodeMethod(parts.get(Accounts)),
    ),
    repositories=(TotpSecrets, Passkeys, Ceremonies),
    erase=_erase,
    expires=(TotpSecrets, Ceremonies),
    reseals=lambda parts: parts.get(TotpVault).reseal,
    jobs=(lambda parts: Job("imported apps", timedelta(days=1), parts.get(ImportedApps).adopt_all),),
    sealed=lambda parts: Sealed("secrets of authenticator apps", parts.get(TotpVault).wrapped_by),
    mails=(
        MailKind("passkey_added", __name__),
        MailKind("passkey_renamed", __name__),
        MailKind("passkey_removed", __name__),
        MailKind("passkey_counter_regressed", __name__),
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
