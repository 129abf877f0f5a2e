"""Authenticator apps that a version from before there were second factors imported, and did not ask for.

Their secrets are sealed in the account itself (`app.accounts.imported.SealedTotp`). Logins ask for them all the same,
as `Account.imported_totp` counts as a factor. Before one is used, it becomes an app like any other: its secret is
stored where all others are, and then one write of the account lists it and drops the old one. A job does that for users
who do not log in, so that no secret stays behind under a former SECRET_KEY.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.accounts.factors import ListedTotp
from app.factors.listing import with_totp
from app.factors.totp import TotpParameters
from app.platform.errors import SessionEnded, Unavailable
from app.platform.identifiers import derived_id, new_id
from app.security import sealing
from app.security.secret_keys import SealedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.accounts.account import Account
    from app.accounts.model import Status, User
    from app.accounts.service import Accounts
    from app.factors.totp import TotpVault
    from app.security.secret_keys import SecretKeys

TOTP_SEAL: Final = "latchkey imported totp"
_LOOKED_AT_ONCE: Final = 2000
"""Identifiers, with a flag each."""
_ANYBODY: Final[tuple[Status, ...]] = ("active", "disabled", "invited")


@dataclass(frozen=True, slots=True)
class ImportedApps:
    """Takes over the apps that a former version imported."""

    accounts: Accounts
    vault: TotpVault
    secrets: SecretKeys

    def adopted(self, account: Account) -> Account:
        """The account, with such apps listed as its own; unchanged if it has none.

        An app that the user added meanwhile stays the only one. The sessions of the user go on. When they added one in
        the other system is not known: it counts as old as the account. Raises SessionEnded if the user is gone, and
        Unavailable if no SECRET_KEY opens a secret.
        """
        seen, user = account.imported_totp, account.user
        if not seen:
            return account
        try:
            apps = opened(account, self.secrets)
        except SealedError as error:
            raise Unavailable from error
        listed = tuple(ListedTotp(_id_for(user), user.created_at) for _ in apps)
        for each, parameters in zip(listed, apps, strict=True):
            self.vault.seal(each.id, user.id, parameters, expires_at=None)
        actions: list[str] = []

        def adopted(present: Account) -> Account:
            is_same = present.imported_totp == seen
            actions[:] = ["totp.added"] if is_same else []
            return with_totp(present, (*listed, *present.totp)) if is_same else present

        try:
            saved = self.accounts.change(user.id, adopted, among=_ANYBODY, actions=actions, details={"by": "import"})
        except SessionEnded:
            self._forget(listed)
            raise
        self._forget(set(listed).difference(saved.totp))
        return saved

    def adopt_all(self) -> int:
        """Do the same for all users; returns for how many. Those whose secrets nothing opens stay as they are.

        Only the accounts of those who may have such apps are read. That none was found is not remembered: beside this
        version, a former one may import more.
        """
        done, after = 0, None
        while page := self.accounts.users.page_of_imported_apps(after=after, limit=_LOOKED_AT_ONCE):
            for user_id, may_have_some in page:
                done += may_have_some and self._adopt(user_id)
            after, _ = page[-1]
        return done

    def _adopt(self, user_id: str) -> bool:
        account = self.accounts.users.account(user_id)
        if account is None or not account.imported_totp or not _can_open(account, self.secrets):
            return False
        with suppress(SessionEnded):
            self.adopted(account)
            return True
        return False

    def _forget(self, unlisted: Iterable[ListedTotp]) -> None:
        """Delete secrets that no account lists. If that fails, they stay until the user is deleted."""
        for each in unlisted:
            with suppress(Unavailable):
                self.vault.kept.remove(each.id)


def opened(account: Account, secrets: SecretKeys) -> list[TotpParameters]:
    """The apps of `Account.imported_totp`. Raises SealedError if a SECRET_KEY for one is not at hand."""
    found = []
    for each in account.imported_totp:
        root = secrets.named(each.wrapped_by)
        if root is None:
            raise SealedError(
                f"a secret of the user {account.user.id} is sealed under another SECRET_KEY"
                f" (its name is {each.wrapped_by})"
            )
        text = sealing.unseal(each.sealed, root, TOTP_SEAL, account.user.id)
        found.append(TotpParameters(**json.loads(text)))
    return found


def _can_open(account: Account, secrets: SecretKeys) -> bool:
    try:
        opened(account, secrets)
    except SealedError:
        return False
    return True


def _id_for(user: User) -> str:
    """An identifier of the time when the user was created: the undo of a later change of address keeps the app."""
    return derived_id(max(0, int(user.created_at.timestamp() * 1000)), new_id())
