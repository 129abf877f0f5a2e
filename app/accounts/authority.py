"""What the caller of a request may do at the moment of a write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.web.caller import Caller


@dataclass(frozen=True, slots=True)
class CallerAuthority:
    """Implements `app.roles.authority.Authority`.

    A request is admitted by the state at the last byte of its body, and then takes its time. So what changes somebody
    else, or a role, asks again right before each of its writes: whoever was demoted meanwhile changes nothing any more.
    """

    accounts: Accounts

    def held_by(self, caller: Caller) -> frozenset[str]:
        """The permissions that the caller had at the start of their request and still has; raises SessionEnded."""
        principal = cast("Principal", caller)
        return principal.permissions & self.accounts.require_live(principal).permissions
