"""Mailed codes: verification of addresses, password reset, change of address, and the pages that mailed links open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.credentials import CredentialService
from app.accounts.deletion import DeletionService
from app.accounts.holders import MailRequestHolders
from app.accounts.mail_requests.model import MailRequests
from app.accounts.model import Users
from app.accounts.notices import MAIL
from app.accounts.passwords import PasswordService
from app.accounts.registration import RegistrationService
from app.accounts.service import Accounts
from app.feature import Feature, MailKind, Tag
from app.mail.mail import Mailer
from app.mail.mail_templates import MailTemplates
from app.outbox.service import Box
from app.recovery import controller, pages
from app.recovery.allowance import MailAllowance
from app.recovery.email_change import EmailChangeService
from app.recovery.mailed_codes import MailedCodes
from app.recovery.mailroom import Mailroom
from app.recovery.reset import ResetService
from app.recovery.verification import VerificationService
from app.security.secret_keys import SecretKeys
from app.throttle.counts import Counts
from app.throttle.guesses import Guesses
from app.throttle.model import LoginFailures
from app.throttle.service import PasswordThrottle

if TYPE_CHECKING:
    from app.accounts.mail_requests.model import MailRequest
    from app.platform.container import Container


def _codes(parts: Container) -> MailedCodes:
    return MailedCodes(
        parts.get(Users), parts.get(MailRequests), parts.get(Guesses), parts.get(SecretKeys), parts.clock
    )


def _allowance(parts: Container) -> MailAllowance:
    return MailAllowance(Counts(parts.get(LoginFailures), parts.get(SecretKeys), "mails"), parts.clock)


def _verification(parts: Container) -> VerificationService:
    return VerificationService(
        parts.get(Accounts),
        parts.get(MailedCodes),
        parts.get(MailAllowance),
        parts.get(EmailChangeService),
        parts.get(RegistrationService),
        parts.get(DeletionService),
    )


def _reset(parts: Container) -> ResetService:
    return ResetService(
        parts.get(Accounts), parts.get(PasswordService), parts.get(PasswordThrottle), parts.get(MailedCodes)
    )


def _email_change(parts: Container) -> EmailChangeService:
    hides = parts.settings.accounts.hide_accounts
    return EmailChangeService(parts.get(Accounts), parts.get(CredentialService), parts.get(MailedCodes), hides)


def _mailroom(parts: Container) -> Mailroom:
    return Mailroom(
        parts.get(Accounts),
        parts.get(MailedCodes),
        parts.get(MailAllowance),
        parts.get(SecretKeys),
        parts.get(MailTemplates),
        parts.find(Mailer),
        parts.observer,
    )


def _requests(parts: Container) -> Box[MailRequest, MailRequest]:
    mailroom = parts.get(Mailroom)
    handlers = {
        "reset": mailroom.reset_requested,
        "verify": mailroom.verification_requested,
        "register": mailroom.registered,
    }
    return Box(MailRequestHolders(parts.get(MailRequests)), handlers, polled=True)


FEATURE = Feature(
    tags=(
        Tag(
            "recovery",
            "Verification of addresses and recovery of accounts by mail.",
            (
                controller.forgot,
                controller.reset,
                controller.verify_email,
                controller.resend,
                controller.disown,
                controller.undo_email,
            ),
        ),
        Tag("account", "", (controller.change_email,)),
    ),
    pages=(
        Tag(
            "pages",
            "The pages that mailed links open.",
            (
                pages.verify_email,
                pages.answer_verification,
                pages.reset_password,
                pages.set_password,
                pages.undo_email,
                pages.take_back,
                pages.brand,
            ),
        ),
    ),
    services={
        MailedCodes: _codes,
        MailAllowance: _allowance,
        VerificationService: _verification,
        ResetService: _reset,
        EmailChangeService: _email_change,
        Mailroom: _mailroom,
    },
    handlers={MAIL: lambda parts: parts.get(Mailroom).mail},
    boxes=(_requests,),
    mails=(
        MailKind("verify_email", __name__, page="verify-email", to_unproven=True),
        MailKind("confirm_address", __name__, page="verify-email", to_unproven=True),
        MailKind("change_email", __name__, page="verify-email", to_unproven=True),
        MailKind("confirm_registration", __name__, page="verify-email", to_unproven=True),
        MailKind("account_exists", __name__),
        MailKind("email_in_use", __name__),
        MailKind("reset_password", __name__, page="reset-password"),
        MailKind("email_changed", __name__, page="undo-email"),
        MailKind("deletion_undo", __name__, page="undo-email"),
    ),
)
