"""Administration: what administrators do to users, how they find them, and the signing keys as they see them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.accounts.deletion import DeletionService
from app.accounts.service import Accounts
from app.administration import cli, controller
from app.administration.addresses import AddressChange
from app.administration.model import UserSearch
from app.administration.search import UserFinder
from app.administration.signing_keys import KeyAdministration
from app.administration.users import Invitations, UserAdministration
from app.audit.service import Audit
from app.feature import Feature, Job, MailKind, Tag
from app.keys.service import KeyService
from app.roles.authority import Authority
from app.roles.service import Roles
from app.throttle.guesses import Guesses
from app.throttle.service import PasswordThrottle

if TYPE_CHECKING:
    from app.platform.container import Container


def _users(parts: Container) -> UserAdministration:
    return UserAdministration(
        parts.get(Accounts),
        parts.get(AddressChange),
        parts.get(DeletionService),
        parts.get(Roles),
        parts.get(Authority),
        parts.get(PasswordThrottle),
        parts.get(Guesses),
        parts.get(Invitations),
    )


def _keys(parts: Container) -> KeyAdministration:
    return KeyAdministration(parts.get(KeyService), parts.get(Authority), parts.get(Audit), parts.clock)


FEATURE = Feature(
    tags=(
        Tag(
            "administration",
            "Users, for those who administer them.",
            (
                controller.users,
                controller.user,
                controller.update,
                controller.delete,
                controller.disable,
                controller.enable,
                controller.log_out,
                controller.reset_password,
                controller.unlock,
            ),
        ),
        Tag("roles", "", (controller.set_roles,)),
        Tag("keys", "", (controller.keys, controller.rotate_keys)),
    ),
    services={
        AddressChange: lambda parts: AddressChange(parts.get(Accounts), parts.get(Guesses)),
        UserAdministration: _users,
        UserFinder: lambda parts: UserFinder(parts.get(UserSearch), parts.settings.accounts.default_roles),
        KeyAdministration: _keys,
    },
    repositories=(UserSearch,),
    jobs=(lambda parts: Job("search keys", timedelta(days=1), parts.get(UserFinder).mend_keys),),
    commands=cli.COMMANDS,
    mails=(MailKind("account_disabled", __name__), MailKind("account_enabled", __name__)),
)
