"""Whether a session or an impersonation is live, and what its user may do now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.accounts.principal import Principal

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.authentication import Authentication
    from app.accounts.model import Users
    from app.accounts.under_way import Impersonation
    from app.platform.clock import Clock
    from app.sessions.model import Sessions


IMPERSONATE: Final = "users:impersonate"
"""The permission to act for another user."""


@dataclass(frozen=True, slots=True)
class LiveSessions:
    """Finds the principals of live sessions, in one round trip to the store."""

    sessions: Sessions
    permissions_of: Callable[[tuple[str, ...], int | None], frozenset[str]]
    clock: Clock

    def principal(
        self, session_id: str, user_id: str, authentication: Authentication | None = None
    ) -> Principal | None:
        """The principal of a live session, with the permissions of its user; None if there is no such session.

        `authentication` is what the access token says.
        """
        principal = self.sessions.principal(session_id, user_id, self.clock())
        if principal is None:
            return None
        permissions = self.permissions_of(principal.user.roles, principal.roles_version)
        return principal.with_permissions(permissions, authentication)

    def present(self, principal: Principal) -> Principal | None:
        """The principal of an earlier request as it is now; None if its session has ended."""
        return self.principal(principal.session_id, principal.user.id)


@dataclass(frozen=True, slots=True)
class LiveImpersonations:
    """Finds the principals of live impersonations, in three round trips: of the user, and two of the administrator.

    An impersonation is live if all of these are true: IMPERSONATION is on; the account still allows it
    (`open_impersonations`); the session of the administrator in which it began is live; they still hold
    IMPERSONATE, and all permissions that the user has now; and since it began they lost no role, and no role of theirs
    a permission. So one that ended with a demotion does not come back, whatever they are given later.
    """

    on: bool
    """The setting IMPERSONATION."""
    users: Users
    sessions: LiveSessions
    permissions_of: Callable[[tuple[str, ...], int | None], frozenset[str]]
    narrowed_since: Callable[[tuple[str, ...], int, int | None], bool]
    """Whether a role lost a permission (`app.roles.service.Roles.narrowed_since`)."""
    clock: Clock

    def principal(self, impersonation_id: str, user_id: str) -> Principal | None:
        """The user, with their own permissions, and who acts for them; None if there is no such impersonation."""
        account = self._account(user_id)
        if account is None:
            return None
        open_ones = open_impersonations(account, self.clock())
        found = next((each for each in open_ones if each.id == impersonation_id), None)
        return None if found is None else self._principal(account, found)

    def present(self, principal: Principal) -> Principal | None:
        """The principal of an earlier request as it is now; None if the impersonation has ended."""
        return self.principal(principal.session_id, principal.user.id)

    def of_user(self, user_id: str) -> list[Impersonation]:
        """The live impersonations of a user, oldest first; there are few."""
        account = self._account(user_id)
        if account is None:
            return []
        return [each for each in open_impersonations(account, self.clock()) if self._principal(account, each)]

    def _account(self, user_id: str) -> Account | None:
        return self.users.account(user_id) if self.on else None

    def _principal(self, account: Account, found: Impersonation) -> Principal | None:
        actor = self.sessions.principal(found.actor_session_id, found.actor_id)
        if actor is None or IMPERSONATE not in actor.permissions:
            return None
        permissions = self.permissions_of(account.user.roles, actor.roles_version)
        if not permissions <= actor.permissions or self._was_demoted(actor, found):
            return None
        return Principal(
            account.user,
            found.id,
            found.began_at,
            found.began_at,
            permissions,
            "impersonation",
            found,
            roles_version=actor.roles_version,
        )

    def _was_demoted(self, actor: Principal, found: Impersonation) -> bool:
        """Whether the administrator lost a role or a permission since it began.

        Their account is read last: so what they held when `actor` was read, they have held without a break.
        """
        if self.narrowed_since(actor.user.roles, found.roles_version, actor.roles_version):
            return True
        account = self.users.account(found.actor_id)
        return account is None or (account.demotions or 0) != found.actor_demotions


def open_impersonations(account: Account, now: datetime) -> tuple[Impersonation, ...]:
    """The impersonations that the account itself still allows: the user is active, and nothing ended their sessions
    meanwhile."""
    if account.user.status != "active":
        return ()
    return tuple(
        each for each in account.impersonations if each.auth_epoch == account.auth_epoch and each.expires_at > now
    )
