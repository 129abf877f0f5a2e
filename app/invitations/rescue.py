"""A way in for users who are locked out, by the operator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.invitations.service import Link
from app.platform.errors import InvalidCode, NotFound
from app.platform.identifiers import new_id
from app.security import codes

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.accounts.model import User
    from app.accounts.service import Accounts
    from app.administration.users import UserAdministration
    from app.invitations.service import InvitationService
    from app.security.secret_keys import SecretKeys


@dataclass(frozen=True, slots=True)
class RescueService:
    """Unlocks users, and makes links for a new password that need no mail."""

    accounts: Accounts
    administration: UserAdministration
    invitations: InvitationService
    secrets: SecretKeys
    public_url: str

    def rescue(self, user_id: str) -> tuple[User, Link]:
        """Unlock and enable a user; returns them, and a link with which they set a new password, once.

        A former link is void. For an invited user it is that of the invitation. Raises NotFound. Each step can be
        repeated, after a crash as well.
        """
        self.administration.enable(user_id, None, None)
        user = self.administration.unlock(user_id, None, None)
        if user.status == "invited":
            try:
                return user, self.invitations.link(user_id)
            except InvalidCode:  # answered meanwhile
                user = self.administration.user(user_id)
        return user, self._link(user_id)

    def _link(self, user_id: str) -> Link:
        def rescued(account: Account) -> Account:
            others = replace(account, codes=tuple(code for code in account.codes if code.purpose != "rescue"))
            return others.with_code("rescue", code_id=new_id(), now=self.accounts.clock())[0]

        account = self.accounts.change(user_id, rescued, missing=NotFound, actions=["user.reset_started"])
        code = next(code for code in account.codes if code.purpose == "rescue")
        token = codes.make_token(self.secrets.current, "rescue", user_id, code.id)
        return Link(code.id, f"{self.public_url}/reset-password#{token}", code.expires_at)
