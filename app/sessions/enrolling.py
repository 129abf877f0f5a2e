"""Whoever adds the second factor without which their login does not go on: its token goes where an access token goes.

Such a token is admitted by the endpoints that add a factor, and by nothing else; and only while the account has none,
or whoever has the password of somebody else's account could add a factor of their own beside that of its owner. Both
are asked again right before each write (`app.accounts.service.Accounts.change`), which raises the revision of the
account: so of two logins that add a first factor at once one succeeds.

The change of the factors begins a new epoch, which ends everything else of the account. The login that made it is kept,
in the same write and in the same way as a session that changes its own factors (`Account.in_new_epoch`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.accounts.principal import Principal
from app.platform.errors import InvalidToken
from app.platform.identifiers import digest_of_token

if TYPE_CHECKING:
    from app.accounts.model import Users
    from app.platform.clock import Clock
    from app.sessions.pending_logins.model import PendingLogins

STEP: Final = "enrol_factor"
_FORM: Final = re.compile("[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class EnrollingLogins:
    """An `app.web.caller.Authenticator` of the tokens of logins that need a second factor which is not there yet."""

    pending: PendingLogins
    users: Users
    clock: Clock

    def recognises(self, token: str) -> bool:
        """Whether a token has the form of the token of a login. Access tokens have dots, and API keys are longer."""
        return _FORM.fullmatch(token) is not None

    def authenticate(self, token: str) -> Principal:
        """The principal of this login, who may do nothing but add a factor. Raises InvalidToken."""
        principal = self._principal(digest_of_token(token))
        if principal is None:
            raise InvalidToken
        return principal

    def present(self, principal: Principal) -> Principal | None:
        """The principal of an earlier request as it is now; None if the login has ended, or the account has a second
        factor by now."""
        return self._principal(principal.login_id or "")

    def use_is_due(self, principal: Principal) -> bool:  # noqa: ARG002 - the same for every login
        """Never: the use of a login token is not recorded."""
        return False

    def note_use(self, principal: Principal) -> None:
        """Nothing is recorded."""

    def require_fresh_login(self, principal: Principal) -> None:
        """Every such login is recent: it lives for ten minutes."""

    def _principal(self, login_id: str) -> Principal | None:
        login = self.pending.find(login_id, self.clock())
        if login is None or login.step != STEP:
            return None
        account = self.users.account(login.user_id)
        if account is None or not login.holds_in(account) or account.factors:
            return None
        return Principal(
            account.user,
            session_id=login.kept_as,
            opened_at=login.proven_at,
            last_used_at=login.proven_at,
            kind="pending_login",
            login_id=login.id,
        )
