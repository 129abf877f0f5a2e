"""Users and their accounts: registration, profile, password, export and deletion, and the list of users."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.accounts import cli, controller
from app.accounts.authority import CallerAuthority
from app.accounts.breached import BreachNotice
from app.accounts.credentials import CredentialService
from app.accounts.deletion import DeletionService
from app.accounts.directory import DirectoryService
from app.accounts.fields import InputRules
from app.accounts.former_leavers import FormerLeavers
from app.accounts.grants import GrantService
from app.accounts.hash_mix.model import HashMixes
from app.accounts.hash_mix.service import HashMix
from app.accounts.held_emails.model import HeldEmails
from app.accounts.holders import ERASE, AccountHolders
from app.accounts.mail_requests.model import MailRequests
from app.accounts.model import Users
from app.accounts.passwords import BreachCheck, PasswordService
from app.accounts.profile import ProfileService
from app.accounts.publisher import Publishers
from app.accounts.registration import RegistrationService
from app.accounts.service import Accounts
from app.audit.service import Audit
from app.feature import EntryHandlers, Erasers, Feature, Job, LiveCallers, MailKind, Tag
from app.hooks.calls import Hooks
from app.mail.mail import Mailer
from app.outbox.service import Box, Wakes
from app.roles.administrators import Administrators
from app.roles.authority import Authority
from app.roles.model import Guards, RoleHolders
from app.roles.service import Roles
from app.security.hash_pool import HashPool
from app.security.passwords import PasswordHasher
from app.security.secret_keys import SecretKeys
from app.throttle.guesses import Guesses
from app.throttle.service import PasswordThrottle

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.platform.container import Container


def _input_rules(parts: Container) -> InputRules:
    return InputRules(parts.settings.passwords.min_length, parts.settings.accounts.names_required)


def _passwords(parts: Container) -> PasswordService:
    return PasswordService(
        parts.get(PasswordHasher),
        parts.get(HashPool),
        parts.get(Users),
        parts.get(HashMix),
        parts.settings.mail.product_name,
        parts.find(BreachCheck),
    )


def _mix(parts: Container) -> HashMix:
    return HashMix(
        parts.get(Users), parts.get(HashMixes), parts.get(PasswordHasher), parts.get(SecretKeys), parts.clock
    )


def _hasher(parts: Container) -> PasswordHasher:
    return PasswordHasher(parts.settings.passwords.scheme, parts.settings.passwords.bcrypt_cost)


def _accounts(parts: Container) -> Accounts:
    return Accounts(
        parts.get(Users),
        parts.get(LiveCallers),
        parts.get(HeldEmails),
        parts.get(MailRequests),
        parts.get(Audit),
        parts.get(Administrators),
        parts.clock,
        mailing=parts.find(Mailer) is not None,
        mail_waits=parts.get(Wakes),
        publisher=parts.get(Publishers),
    )


def _credentials(parts: Container) -> CredentialService:
    return CredentialService(parts.get(Accounts), parts.get(PasswordService), parts.get(PasswordThrottle))


def _registration(parts: Container) -> RegistrationService:
    return RegistrationService(
        parts.get(Accounts),
        parts.get(PasswordService),
        parts.get(Guesses),
        parts.get(PasswordThrottle),
        parts.settings.accounts.default_roles,
        hides_accounts=parts.settings.accounts.hide_accounts,
        hooks=parts.find(Hooks),
    )


def _profile(parts: Container) -> ProfileService:
    return ProfileService(parts.get(Accounts), parts.settings.accounts.hide_accounts)


def _deletion(parts: Container) -> DeletionService:
    return DeletionService(parts.get(Accounts), parts.get(CredentialService), parts.get(Erasers).erasers)


def _authority(parts: Container) -> CallerAuthority:
    return CallerAuthority(parts.get(Accounts))


def _grants(parts: Container) -> GrantService:
    return GrantService(parts.get(Accounts), parts.get(Roles), parts.get(Authority))


def _former_leavers(parts: Container) -> FormerLeavers:
    return FormerLeavers(parts.get(Accounts), parts.get(Guards))


def _directory(parts: Container) -> DirectoryService:
    return DirectoryService(parts.get(Users), parts.settings.accounts.user_directory)


def _box(parts: Container) -> Box[str, Account]:
    return Box(AccountHolders(parts.get(Users)), parts.get(EntryHandlers).handlers)


FEATURE = Feature(
    tags=(
        Tag(
            "account",
            "What users do with their own account.",
            (
                controller.me,
                controller.update_me,
                controller.delete_me,
                controller.export_with,
                controller.change_password,
                controller.events,
            ),
        ),
        Tag("users", "The list of users.", (controller.users,)),
    ),
    services={
        InputRules: _input_rules,
        PasswordHasher: _hasher,
        HashMix: _mix,
        PasswordService: _passwords,
        Accounts: _accounts,
        CredentialService: _credentials,
        BreachNotice: lambda parts: BreachNotice(parts.get(Accounts), parts.find(BreachCheck)),
        RegistrationService: _registration,
        ProfileService: _profile,
        DeletionService: _deletion,
        DirectoryService: _directory,
        RoleHolders: lambda parts: parts.get(Users),
        Authority: _authority,
        GrantService: _grants,
        FormerLeavers: _former_leavers,
    },
    handlers={ERASE: lambda parts: parts.get(DeletionService).erase_all},
    boxes=(_box,),
    repositories=(Users, HeldEmails, MailRequests, HashMixes),
    exports=(controller.exported_events,),
    expires=(HeldEmails, MailRequests),
    jobs=(
        lambda parts: Job("former leavers", timedelta(hours=1), parts.get(FormerLeavers).heal),
        lambda parts: Job("hash mix", timedelta(hours=1), parts.get(HashMix).count),
    ),
    mails=(
        MailKind("account_deleted", __name__),
        MailKind("password_breached", __name__),
        MailKind("password_changed", __name__),
        MailKind("profile_changed", __name__),
        MailKind("username_changed", __name__),
    ),
    permissions=frozenset({"users:read", "users:write"}),
    commands=(cli.users,),
)
