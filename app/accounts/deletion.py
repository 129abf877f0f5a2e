"""Deleting an account: first one write that takes it from its owner, then the erasure of all that belongs to it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from app.accounts.credentials import nobody_is_fresh, refuse_if_changed
from app.accounts.former_leavers import LEAVING
from app.accounts.service import ACTIVE
from app.outbox.model import CLAIMED_FOR
from app.platform.errors import SessionEnded, Unavailable
from app.roles.model import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.credentials import CredentialService
    from app.accounts.model import Status
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.accounts.under_way import UndoOffer
    from app.feature import Eraser
    from app.outbox.model import Entry
    from app.platform.devices import Device
    from app.platform.failure import Failure

_OF_ADMINISTRATORS = frozenset({ADMINISTRATOR, LEAVING})
"""Roles that do not come back with an account: another administrator is left, and can grant them again."""
_WITH_THE_REPLY = 16
"""Such statements that the client waits for; the courier does the rest, however much it is."""


@dataclass(frozen=True, slots=True)
class DeletionService:
    """Deletes accounts."""

    accounts: Accounts
    credentials: CredentialService
    erasers: tuple[Eraser, ...]

    def delete(
        self,
        principal: Principal,
        password: str | None,
        device: Device,
        require_fresh_login: Callable[[], None] = nobody_is_fresh,
    ) -> None:
        """Delete the user's own account.

        Raises what `CredentialService.confirm_owner` raises, LastAdmin, and SessionEnded if the session of `principal`
        ended meanwhile.
        """
        verified = self.credentials.confirm_owner(principal.user.id, password, require_fresh_login)

        def confirmed(account: Account) -> Account:
            refuse_if_changed(account, since=verified)
            return self.accounts.with_warning(account, "account_deleted", device)

        self.delete_if(principal.user.id, confirmed, device, action="user.deleted", by=principal)

    def delete_if(
        self,
        user_id: str,
        check: Callable[[Account], Account],
        device: Device | None,
        *,
        action: str,
        by: Principal | None = None,
        missing: type[Failure] = SessionEnded,
        services: bool = False,
        among: Collection[Status] = ACTIVE,
    ) -> None:
        """Delete an account that `check` accepts; `check` may add a last mail to it.

        It is done from `device`, which the mails name, unless an administrator does it. A disabled account that is
        brought back is disabled again.

        Service accounts are deleted only if `services`.

        Owners of former addresses with an undo offer can bring the account back until their offers expire: they get a
        mail, and their addresses stay held. Raises `missing` if there is no such account, LastAdmin, what `check`
        raises, and SessionEnded if `by`, the session that requests the deletion, ended meanwhile.
        """
        ended: list[UndoOffer] = []
        claimed_until = self.accounts.clock() + CLAIMED_FOR

        def deleted(account: Account) -> Account:
            checked = check(account)
            gone = account.deleted(
                roles=tuple(role for role in account.user.roles if role not in _OF_ADMINISTRATORS),
                claimed_until=claimed_until,
                now=self.accounts.clock(),
            )
            ended[:] = [offer for offer in account.undo_offers if offer not in gone.undo_offers]
            # Only the mail that `check` added.
            added = tuple(entry for entry in checked.outbox if entry not in account.outbox)
            gone = replace(gone, outbox=(*gone.outbox, *added))
            origin = {} if device is None else {"ip": device.ip, "device": device.name}
            for offer in gone.undo_offers:
                gone = self.accounts.with_notice(gone, "deletion_undo", offer.email, code_id=offer.id, **origin)
            return gone

        # The event has no device: nothing is kept of a deleted user but the identifier.
        account = self.accounts.change(
            user_id, deleted, by=by, missing=missing, among=among, actions=[action], services=services
        )
        self.accounts.release(account, ended)
        with suppress(Unavailable):  # the account is gone all the same, and the courier does the rest
            for _ in islice(self._erase_in_pieces(user_id), _WITH_THE_REPLY):
                pass
            self._end_claim(user_id, claimed_until)

    def erase_all(self, account: Account, _entry: Entry) -> None:
        """Delete all that belongs to a deleted user, and keep only the identifier in their audit events; idempotent.

        It handles the entry ERASE of the outbox.
        """
        for _ in self._erase_in_pieces(account.user.id):
            pass

    def _erase_in_pieces(self, user_id: str) -> Iterator[None]:
        """The same in pieces, one for each step."""
        for erase in self.erasers:
            yield from erase(user_id)

    def _end_claim(self, user_id: str, claimed_until: datetime) -> None:
        """Let the mail go out, once the erasure is done."""

        def due(account: Account) -> Account:
            return replace(account, due_at=self.accounts.clock()) if account.due_at == claimed_until else account

        with suppress(SessionEnded):  # gone already
            self.accounts.change(user_id, due, among=("deleted", "active", "disabled"), services=True)
        self.accounts.mail_waits.set()
