"""An administrator acts for a user: how that begins, and how it is ended. Whether it is live is for `live.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from app.accounts.under_way import Impersonation
from app.platform.errors import Forbidden, NotFound, SessionEnded, TooManyRequests
from app.platform.identifiers import new_id
from app.platform.instrumentation import NOBODY
from app.roles.authority import require_power
from app.sessions.added_claims import added_claims
from app.sessions.live import IMPERSONATE, open_impersonations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.model import Status, User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.hooks.calls import Hooks
    from app.platform.devices import Device
    from app.platform.instrumentation import Observer
    from app.roles.authority import Authority
    from app.roles.service import Roles
    from app.sessions.access_tokens import AccessTokens
    from app.sessions.live import LiveImpersonations

LIVES: Final = timedelta(minutes=15)
"""How long an impersonation lasts at most. It cannot be renewed, only begun anew."""
MOST: Final = 5
"""The most impersonations of one user that are in effect at once."""
_THERE: Final[tuple[Status, ...]] = ("active", "disabled", "invited")


@dataclass(frozen=True, slots=True)
class BegunImpersonation:
    """An impersonation just begun: the user, what they may do, and the access token, which lives for LIVES."""

    user: User
    permissions: frozenset[str]
    impersonation: Impersonation
    access_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ImpersonationService:
    """Begins and ends impersonations. Each is one write of the user's account, with its audit event."""

    accounts: Accounts
    live: LiveImpersonations
    roles: Roles
    authority: Authority
    tokens: AccessTokens
    observer: Observer = NOBODY
    hooks: Hooks | None = None

    def begin(self, by: Principal, user_id: str, reason: str, device: Device) -> BegunImpersonation:
        """Let an administrator act for a user from their own session `by`; the user is told by mail.

        It is no login of the user: neither their sessions nor the time of their last login change. Raises NotFound;
        TooManyRequests if MOST administrators act for them already; and Forbidden if IMPERSONATION is off, the user is
        `by` or not active, or has a permission that `by` lacks; Unavailable if a hook that adds claims fails.
        """
        if not self.live.on:
            raise Forbidden("Impersonation is off. The operator turns it on with IMPERSONATION=on.")
        if user_id == by.user.id:
            raise Forbidden("You are this user yourself.")
        now = self.accounts.clock()
        begun = Impersonation(
            new_id(),
            by.user.id,
            by.session_id,
            reason,
            now,
            now + LIVES,
            auth_epoch=0,
            # Both are from before the last look at what `by` holds: if they are demoted behind that, it never lives.
            actor_demotions=self._demotions_of(by.user.id),
            roles_version=by.roles_version,
        )

        claims: list[Mapping[str, Any]] = []

        def with_it(account: Account) -> Account:
            user = account.user
            if user.status != "active":
                raise Forbidden("This user is not active, so nobody can act for them.")
            changed = with_impersonation(account, begun, now)
            # Text of others goes to proven addresses only; nothing of the administrator is told, not even their device.
            told = {"reason": reason} if user.email_verified else {}
            changed = self.accounts.with_notice(changed, "impersonated", user.email, **told)
            if not claims:  # once, however often this is tried again
                claims.append(added_claims(self.hooks, user, begun.id, now, actor_id=begun.actor_id))
            # Last: right before the write.
            require_power(self.authority, self.roles, by, IMPERSONATE, over=user.roles)
            return changed

        account = self.accounts.change(
            user_id,
            with_it,
            by=by,
            missing=NotFound,
            among=_THERE,
            actions=["user.impersonated"],
            details={"reason": reason, "session": begun.id},
            device=device,
        )
        user = account.user
        token = self.tokens.issue(
            subject=user.id,
            session_id=begun.id,
            roles=user.roles,
            lifetime=int(LIVES.total_seconds()),
            actors=(begun.actor_id,),
            added=claims[0],
            bound_to=by.bound_to,
        )
        self.observer.token_issued("impersonation")
        return BegunImpersonation(user, self.roles.permissions_of(user.roles), begun, token)

    def _demotions_of(self, user_id: str) -> int:
        account = self.accounts.users.account(user_id)
        if account is None:
            raise SessionEnded
        return account.demotions or 0

    def end(self, impersonation_id: str, user_id: str, device: Device | None, *, by: Principal | None = None) -> bool:
        """End an impersonation of a user; False if there is none, or if it ended meanwhile.

        `by` is the administrator who acts in it, if it is not the user who ends it.
        """

        def without_it(account: Account) -> Account:
            left = tuple(each for each in account.impersonations if each.id != impersonation_id)
            if left == account.impersonations:
                raise NotFound
            return replace(account, impersonations=left)

        try:
            self.accounts.change(
                user_id,
                without_it,
                by=by,
                missing=NotFound,
                actions=["session.ended"],
                details={"session_id": impersonation_id},
                device=device,
            )
        except (NotFound, SessionEnded):
            return False
        return True


def with_impersonation(account: Account, begun: Impersonation, now: datetime) -> Account:
    """The account with one more impersonation, in its present epoch; those that have ended go.

    Raises TooManyRequests if MOST are open already.
    """
    is_open = open_impersonations(account, now)
    if len(is_open) >= MOST:
        ends = min(each.expires_at for each in is_open)
        raise TooManyRequests(retry_after=math.ceil((ends - now).total_seconds()))
    return replace(account, impersonations=(*is_open, replace(begun, auth_epoch=account.auth_epoch)))
