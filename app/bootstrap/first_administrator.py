"""The first administrator: invited by the first start, once, whichever of many processes that start together.

A lease lets one process do it, and the others wait until it is done. Not even without the lease would there be a second
account: a document in the store reserves the identifier of the first one. The document also names the code whose link
is in the file. So if a process ends before the file is on the disk, the next start finds that out, and writes it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from email_validator import EmailNotValidError

from app.accounts.model import AlreadyThereError
from app.invitations.service import Invitee
from app.platform.errors import EmailTaken, InvalidCode
from app.platform.failure import StartError
from app.platform.identifiers import comparable_email, new_id, parse_email
from app.roles.model import ADMINISTRATOR, Guard, all_with_role
from app.security import secret_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.accounts.account import Account
    from app.accounts.model import Users
    from app.invitations.service import InvitationService
    from app.jobs.model import Leases
    from app.platform.clock import Clock
    from app.roles.model import Guards

GUARD: Final = "bootstrap"
"""The document: the identifier of the account, and then that of the code whose link is in the file."""
HELD_FOR: Final = timedelta(seconds=10)
"""How long the others wait for a process that ended before it was done."""
_LEASE: Final = "first administrator"
_LOOK_EVERY: Final = 0.1
"""Seconds."""
_log = structlog.get_logger("latchkey.start")


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """Invites the owner of the address `email`, if there is one, and leaves their link in the file `link_file`."""

    users: Users
    guards: Guards
    leases: Leases
    invitations: InvitationService
    clock: Clock
    email: str | None
    link_file: Path
    pause: Callable[[float], None] = time.sleep

    def ensure(self) -> None:
        """Invite them if there is no administrator, and write the link unless an earlier start wrote it.

        Never touches another account, nor ever does anything again once they have answered. Raises StartError.
        """
        if self.email is None:
            return
        email, holder = _valid(self.email), new_id()
        while self._is_due(email):
            now = self.clock()
            if not self.leases.take(_LEASE, holder=holder, now=now, until=now + HELD_FOR):
                self.pause(_LOOK_EVERY)
            elif self._is_due(email):
                self._invite(email)
                return

    def _is_due(self, email: str) -> bool:
        guard = self.guards.load(GUARD)
        account = self._reserved(guard)
        if guard is not None and account is not None:
            return account.user.status == "invited" and not self._is_written(guard, account)
        if self._has_administrator():
            return False
        if self.users.account_by_email(comparable_email(email)) is not None:
            _log.warning("no administrator was made", cause="the address of BOOTSTRAP_ADMIN_EMAIL has an account")
            return False
        return True

    def _invite(self, email: str) -> None:
        guard = self.guards.load(GUARD)
        if self._reserved(guard) is None:
            guard = self._reservation(guard)
            try:
                self.invitations.add(Invitee(email, roles=(ADMINISTRATOR,)), "bootstrap", user_id=guard.ids[0])
            except (AlreadyThereError, EmailTaken):
                return  # somebody registered the address at this moment; or this process was stopped for long
        if guard is not None:
            self._leave_link(guard.ids[0])

    def _reserved(self, guard: Guard | None) -> Account | None:
        """The account of the reserved identifier, unless it was deleted."""
        account = self.users.account(guard.ids[0]) if guard is not None else None
        return None if account is None or account.user.status == "deleted" else account

    def _reservation(self, guard: Guard | None) -> Guard:
        """The document that reserves an identifier; made now if there is none, or only that of a deleted account."""
        if guard is not None and self.users.account(guard.ids[0]) is None:
            return guard
        made = Guard(1 if guard is None else guard.version + 1, (new_id(),))
        return made if self.guards.save(GUARD, made) else self.guards.load(GUARD) or made

    def _has_administrator(self) -> bool:
        """Whether there is an administrator, whatever their status; one whom the former version added counts, too."""
        return self.users.is_role_held(ADMINISTRATOR) or bool(all_with_role(self.users, ADMINISTRATOR))

    def _is_written(self, guard: Guard, account: Account) -> bool:
        """Whether the link that the file has is that of a live invitation."""
        now = self.clock()
        live = (code.id for code in account.codes if code.purpose == "invitation" and code.expires_at > now)
        return guard.ids[1:] == tuple(live)

    def _leave_link(self, user_id: str) -> None:
        try:
            link = self.invitations.link(user_id)
        except InvalidCode:
            return  # answered, or deleted, meanwhile
        try:
            secret_file.write(self.link_file, link.url)
        except OSError as error:
            raise StartError(
                f"BOOTSTRAP_LINK_FILE: {self.link_file} cannot be written ({error.strerror}); let this user write to"
                " its folder, or name another file"
            ) from None
        guard = self.guards.load(GUARD)
        if guard is not None:
            self.guards.save(GUARD, Guard(guard.version + 1, (user_id, link.code_id)))
        _log.info("first administrator invited", user_id=user_id, link_file=str(self.link_file))


def _valid(email: str) -> str:
    try:
        return parse_email(email).normalized
    except EmailNotValidError:
        raise StartError("BOOTSTRAP_ADMIN_EMAIL: is not an e-mail address that this service can send mail to") from None
