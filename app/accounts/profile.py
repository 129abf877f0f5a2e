"""What users see and change of their own data without their password."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from app.accounts.registration import RESERVED
from app.platform.errors import Forbidden, SessionEnded, UsernameTaken
from app.platform.identifiers import username_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.accounts.account import Account
    from app.accounts.model import User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.platform.devices import Device

_NAMES_STAY = "User names cannot be changed here: the answer would tell who has one."
PageT = TypeVar("PageT")


@dataclass(frozen=True, slots=True)
class Changes:
    """The requested changes; None leaves the user name as it is, and `name` counts only if `renames` is set."""

    username: str | None = None
    name: str | None = None
    renames: bool = False


@dataclass(frozen=True, slots=True)
class ProfileService:
    """Changes names and exports the data of a user. `hide_accounts` hides which user names are taken."""

    accounts: Accounts
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
                account = self.accounts.with_warning(account, "profile_changed", device, by=principal)
            return replace(account, user=user)

        return self.accounts.change(principal.user.id, changed, by=principal, actions=actions, device=device).user

    def export(self, principal: Principal, device: Device) -> Account:
        """Begin an export of all that is kept of a user; returns their account.

        Each list of the export has to be read through `while_session_is_live`. Raises SessionEnded if this session has
        ended.
        """
        account = self.accounts.users.account(principal.user.id)
        self.accounts.require_live(principal)
        if account is None:
            raise SessionEnded
        self.accounts.audit.record(principal.user.id, "data.exported", device)
        return account

    def while_session_is_live(self, principal: Principal, pages: Iterable[PageT]) -> Iterator[PageT]:
        """These pages, but for empty ones. Raises SessionEnded if the session had ended by the time one was read.

        So whoever reads an export slowly gets no more of it once its owner has logged them out.
        """
        for page in filter(None, pages):
            self.accounts.require_live(principal)  # behind the read, so what was read was still theirs
            yield page
