"""Who is told of a leaked key of a service account, which has no address of its own."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.audit.model import Search
from app.platform.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.accounts.account import Account
    from app.accounts.model import User
    from app.accounts.service import Accounts
    from app.api_keys.model import ApiKey
    from app.roles.service import Roles

SEE: Final = "service_accounts:read"
"""The permission to see service accounts and their API keys."""
MOST: Final = 20
"""The most administrators who are told."""
_MOST_EVENTS: Final = 1000
"""Keys of the account, the newest first, among which the maker of one is looked for."""


@dataclass(frozen=True, slots=True)
class Keepers:
    """The people behind a service account: who made its key, or else the administrators."""

    accounts: Accounts
    roles: Roles

    def tell(self, owner: User, key: ApiKey) -> None:
        """Mail the user who made the key, if they are active, have an address and still hold SEE.

        Else up to MOST administrators get the mail. The key has ended already, so a failure only loses the mail.
        """
        with suppress(Failure):
            maker = self._maker(key)
            told = [maker] if maker is not None and self._sees(maker) else self.accounts.administrators.known()[:MOST]
            self._mail(told, owner, key)

    def _mail(self, user_ids: Iterable[str], owner: User, key: ApiKey) -> None:
        def told(account: Account) -> Account:
            # What others wrote goes to proven addresses only, as in all mails.
            facts = {"key": key.name, "service_account": owner.name or ""} if account.user.email_verified else {}
            return self.accounts.with_notice(account, "service_key_leaked", account.user.email, **facts)

        for user_id in user_ids:
            with suppress(Failure):  # gone meanwhile
                self.accounts.change(user_id, told)

    def _maker(self, key: ApiKey) -> str | None:
        wanted = Search(user_id=key.user_id, action="api_key.created")
        found = self.accounts.audit.search(wanted, before=None, limit=_MOST_EVENTS).events
        return next((event.actor_id for event in found if event.details.get("key") == key.id), None)

    def _sees(self, user_id: str) -> bool:
        account = self.accounts.users.account(user_id)
        if account is None or account.user.status != "active" or account.user.email is None:
            return False
        return SEE in self.roles.permissions_of(account.user.roles)
