"""What users see and change of their own data without their password."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.accounts.registration import RESERVED
from app.platform.errors import Forbidden, SessionEnded, UsernameTaken
from app.platform.identifiers import username_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.accounts.model import Account, User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.audit.model import AuditEvent
    from app.platform.devices import Device
    from app.samples.products.model import SampleProduct, SampleProducts
    from app.sessions.model import Session, Sessions

_NAMES_STAY = "User names cannot be changed here: the answer would tell who has one."
_AT_ONCE = 200
"""Events or products that the export reads at once."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The requested changes; None leaves the user name as it is, and `name` counts only if `renames` is set."""

    username: str | None = None
    name: str | None = None
    renames: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """Everything the service holds about a user; long lists are read page by page, as the caller iterates."""

    account: Account
    sessions: list[Session]
    events: Iterator[list[AuditEvent]]
    products: Iterator[list[SampleProduct]]


@dataclass(frozen=True, slots=True)
class ProfileService:
    """Changes names and exports the data of a user. `hide_accounts` hides which user names are taken."""

    accounts: Accounts
    sessions: Sessions
    products: SampleProducts
    hide_accounts: bool = False

    def change(self, principal: Principal, changes: Changes, device: Device) -> User:
        """Change names; returns the user with the new ones.

        Raises UsernameTaken; or, where accounts are hidden, Forbidden for any new user name, since the answer would
        reveal whether it is taken; only the case of the present one may change. Raises SessionEnded if this session
        ended meanwhile.
        """
        if changes.username is not None and username_key(changes.username) in RESERVED and not self.hide_accounts:
            raise UsernameTaken
        told: list[str] = []
        actions: list[str] = []

        def changed(account: Account) -> Account:
            user = account.user
            if changes.username is not None:
                if self.hide_accounts and username_key(changes.username) != username_key(user.username or ""):
                    raise Forbidden(_NAMES_STAY)
                user = replace(user, username=changes.username)
            if changes.renames:
                user = replace(user, name=changes.name)
            told[:] = [field for field in ("username", "name") if getattr(user, field) != getattr(account.user, field)]
            actions[:] = [f"{field}.changed" for field in told]
            if "username" in told:
                account = self.accounts.with_warning(
                    account, "username_changed", device, username=changes.username or ""
                )
            elif told:
                account = self.accounts.with_warning(account, "profile_changed", device)
            return replace(account, user=user)

        return self.accounts.change(principal.user.id, changed, by=principal, actions=actions, device=device).user

    def export(self, principal: Principal, device: Device) -> Export:
        """All that is kept of a user; raises SessionEnded if this session has ended.

        So does what comes page by page: whoever reads it slowly gets no more once the owner has logged them out. It
        raises Unavailable when the store does not answer any more.
        """
        user_id = principal.user.id
        account = self.accounts.users.account(user_id)
        self._require(principal)
        if account is None:
            raise SessionEnded
        self.accounts.audit.record(user_id, "data.exported", device)
        sessions = self.sessions.of_user(user_id, self.accounts.clock())
        return Export(account, sessions, self._events(principal), self._products(principal))

    def _events(self, principal: Principal) -> Iterator[list[AuditEvent]]:
        before: str | None = None
        while True:
            page = self.accounts.audit.page(principal.user.id, before=before, limit=_AT_ONCE)
            self._require(principal)
            yield page.events
            before = page.next
            if before is None:
                return

    def _products(self, principal: Principal) -> Iterator[list[SampleProduct]]:
        after: str | None = None
        while page := self.products.page_of(principal.user.id, after=after, limit=_AT_ONCE):
            self._require(principal)
            yield page
            after = page[-1].id

    def _require(self, principal: Principal) -> None:
        """Raises SessionEnded if this session has ended: asked behind a read, so what was read was still theirs."""
        if self.sessions.principal(principal.session_id, principal.user.id, self.accounts.clock()) is None:
            raise SessionEnded
