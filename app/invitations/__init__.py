"""Invitations: users whom an administrator or the operator adds, and who choose their password themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.fields import InputRules
from app.accounts.passwords import PasswordService
from app.accounts.service import Accounts
from app.administration.users import Invitations, UserAdministration
from app.feature import Feature, MailKind, Tag
from app.invitations import cli, controller, pages
from app.invitations.rescue import RescueService
from app.invitations.service import InvitationService
from app.recovery.mailed_codes import MailedCodes
from app.roles.authority import Authority
from app.roles.service import Roles
from app.security.secret_keys import SecretKeys
from app.throttle.service import PasswordThrottle

if TYPE_CHECKING:
    from app.platform.container import Container


def _invitations(parts: Container) -> InvitationService:
    return InvitationService(
        accounts=parts.get(Accounts),
        passwords=parts.get(PasswordService),
        throttle=parts.get(PasswordThrottle),
        codes=parts.get(MailedCodes),
        roles=parts.get(Roles),
        authority=parts.get(Authority),
        secrets=parts.get(SecretKeys),
        rules=parts.get(InputRules),
        default_roles=parts.settings.accounts.default_roles,
        hides_accounts=parts.settings.accounts.hide_accounts,
        public_url=parts.settings.server.public_url,
    )


def _rescue(parts: Container) -> RescueService:
    return RescueService(
        parts.get(Accounts),
        parts.get(UserAdministration),
        parts.get(InvitationService),
        parts.get(SecretKeys),
        parts.settings.server.public_url,
    )


FEATURE = Feature(
    tags=(Tag("invitations", "Invitations of new users.", (controller.invite, controller.answer)),),
    pages=(Tag("pages", "", (pages.invitation, pages.answer_invitation)),),
    services={
        InvitationService: _invitations,
        Invitations: lambda parts: parts.get(InvitationService),
        RescueService: _rescue,
    },
    mails=(MailKind("invitation", __name__, page="invitation", to_unproven=True),),
    commands=cli.COMMANDS,
)
