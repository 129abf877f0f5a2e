"""Makes the roles and users that a file declares. Doing it again changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.platform.errors import EmailTaken, Failure, FieldError, Unavailable, UsernameTaken, ValidationFailed
from app.platform.identifiers import comparable_email

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.accounts.model import Users
    from app.invitations.service import InvitationService, Invitee
    from app.roles.editing import RoleEditor
    from app.roles.model import Role
    from app.roles.service import Roles


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a file declares."""

    roles: tuple[Role, ...] = ()
    users: tuple[Invitee, ...] = ()


@dataclass(frozen=True, slots=True)
class Invited:
    """A user whom this invited: by mail, or by a link, if mail cannot be sent."""

    email: str
    link: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Outcome:
    """What was done: the roles by `added`, `changed` and `kept`, and the addresses of the users."""

    roles: dict[str, list[str]] = field(default_factory=dict)
    invited: list[Invited] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """The addresses that could not be invited, and why."""


@dataclass(frozen=True, slots=True)
class DeclarationService:
    """Makes what is declared, for the operator."""

    users: Users
    roles: Roles
    editor: RoleEditor
    invitations: InvitationService
    mailing: bool

    def apply(self, declaration: Declaration) -> Outcome:
        """Make the roles, in one write, and then invite the users.

        A user who is there already, invited or not, stays as they are. Raises ValidationFailed, and nothing is changed,
        if the declaration names a role or a permission that does not exist.
        """
        unknown = list(self._unknown_roles(declaration))
        if unknown:
            raise ValidationFailed(fields=tuple(unknown))
        outcome = Outcome(roles=self.editor.declare(declaration.roles))
        for invitee in declaration.users:
            self._invite(invitee, outcome)
        return outcome

    def _unknown_roles(self, declaration: Declaration) -> Iterator[FieldError]:
        declared = {role.name for role in declaration.roles}
        for number, invitee in enumerate(declaration.users):
            for role in self.roles.unknown(set(invitee.roles or ()) - declared):
                yield FieldError(f"users.{number}.roles", "unknown_role", f"There is no role {role}.")

    def _invite(self, invitee: Invitee, outcome: Outcome) -> None:
        email = invitee.email or ""
        if self._is_there(email):
            outcome.kept.append(email)
            return
        try:
            user = self.invitations.add(invitee, "bootstrap", mailed=self.mailing).user
            link = None if self.mailing else self.invitations.link(user.id).url
        except Unavailable:
            raise
        except (EmailTaken, UsernameTaken) as failure:
            outcome.refused[email] = failure.message
        except Failure:  # answered, or deleted, before its link was made
            outcome.kept.append(email)
        else:
            outcome.invited.append(Invited(email, link))

    def _is_there(self, email: str) -> bool:
        """Whether the address belongs to a user: proven, or invited."""
        key = comparable_email(email)
        account = self.users.account_by_email(key)
        if account is not None and (account.user.email_verified or account.user.status == "invited"):
            return True
        return any(changing.user.status == "invited" for changing in self.users.accounts_changing_to(key, 1))
