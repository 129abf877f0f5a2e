"""Users and their accounts: registration, profile, password, export and deletion, and the list of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts import cli, controller
from app.accounts.account import ERASE
from app.accounts.credentials import CredentialService
from app.accounts.deletion import DeletionService
from app.accounts.directory import DirectoryService
from app.accounts.fields import InputRules
from app.accounts.held_emails.model import HeldEmails
from app.accounts.holders import AccountHolders
from app.accounts.mail_requests.model import MailRequests
from app.accounts.model import Users
from app.accounts.passwords import BreachCheck, PasswordService
from app.accounts.profile import ProfileService
from app.accounts.publisher import Publisher
from app.accounts.registration import RegistrationService
from app.accounts.service import Accounts
from app.audit.service import Audit
from app.feature import EntryHandlers, Erasers, Feature, LiveCallers, MailKind, Tag
from app.mail.mail import Mailer
from app.outbox.service import Box, Wakes
from app.security.hash_pool import HashPool
from app.security.passwords import PasswordHasher
from app.throttle.guesses import Guesses
from app.throttle.service import PasswordThrottle

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.platform.container import Container


def _input_rules(parts: Container) -> InputRules:
    return InputRules(parts.settings.passwords.min_length, parts.settings.accounts.names_required)


def _passwords(parts: Container) -> PasswordService:
    hasher = PasswordHasher(parts.settings.passwords.scheme, parts.settings.passwords.bcrypt_cost)
    product, breaches = parts.settings.mail.product_name, parts.find(BreachCheck)
    return PasswordService(hasher, parts.get(HashPool), parts.get(Users), product, breaches)


def _accounts(parts: Container) -> Accounts:
    return Accounts(
        parts.get(Users),
        parts.get(LiveCallers),
        parts.get(HeldEmails),
        parts.get(MailRequests),
        parts.get(Audit),
        parts.clock,
        mailing=parts.find(Mailer) is not None,
        mail_waits=parts.get(Wakes),
        publisher=parts.get(Publisher),
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
    )


def _profile(parts: Container) -> ProfileService:
    return ProfileService(parts.get(Accounts), parts.settings.accounts.hide_accounts)


def _deletion(parts: Container) -> DeletionService:
    return DeletionService(parts.get(Accounts), parts.get(CredentialService), parts.get(Erasers).erasers)


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
        PasswordService: _passwords,
        Accounts: _accounts,
        CredentialService: _credentials,
        RegistrationService: _registration,
        ProfileService: _profile,
        DeletionService: _deletion,
        DirectoryService: _directory,
    },
    handlers={ERASE: lambda parts: parts.get(DeletionService).erase_all},
    boxes=(_box,),
    repositories=(Users, HeldEmails, MailRequests),
    exports=(controller.exported_events,),
    expires=(HeldEmails, MailRequests),
    mails=(
        MailKind("account_deleted", __name__),
        MailKind("password_changed", __name__),
        MailKind("profile_changed", __name__),
        MailKind("username_changed", __name__),
    ),
    permissions=frozenset({"users:read", "users:write"}),
    commands=(cli.users,),
)
