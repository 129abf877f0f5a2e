"""The beginning of an instance: its first administrator, and the roles and users that a file declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.model import Users
from app.accounts.service import Accounts
from app.bootstrap import cli
from app.bootstrap.first_administrator import FirstAdministrator
from app.bootstrap.service import DeclarationService
from app.feature import Feature
from app.invitations.service import InvitationService
from app.jobs.model import Leases
from app.roles.editing import RoleEditor
from app.roles.model import Guards
from app.roles.service import Roles

if TYPE_CHECKING:
    from app.platform.container import Container


def _first_administrator(parts: Container) -> FirstAdministrator:
    accounts = parts.settings.accounts
    return FirstAdministrator(
        parts.get(Users),
        parts.get(Guards),
        parts.get(Leases),
        parts.get(InvitationService),
        parts.clock,
        accounts.bootstrap_admin_email,
        accounts.bootstrap_link_file,
    )


def _declarations(parts: Container) -> DeclarationService:
    return DeclarationService(
        parts.get(Users),
        parts.get(Roles),
        parts.get(RoleEditor),
        parts.get(InvitationService),
        mailing=parts.get(Accounts).mailing,
    )


FEATURE = Feature(
    services={FirstAdministrator: _first_administrator, DeclarationService: _declarations},
    commands=(cli.bootstrap,),
)
