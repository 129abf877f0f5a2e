"""The credentials of passkeys: found, verified, and each use counted once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.factors.ceremonies.service import WRONG
from app.factors.listing import passkey_of
from app.factors.passkeys.verification import NotProvenError, assertion
from app.platform import pieces
from app.platform.errors import InvalidCode, SessionEnded
from app.platform.identifiers import digest_of_token
from app.sessions.proof import SpentCodeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.accounts.account import Account
    from app.accounts.service import Accounts
    from app.factors.ceremonies.model import Ceremony
    from app.factors.passkeys.model import Passkey, Passkeys
    from app.factors.passkeys.verification import RelyingParty
    from app.platform.devices import Device

_IN_HARDWARE: Final = "hwk"
_IN_SOFTWARE: Final = "swk"
_PRESENT: Final = "user"
"""Names of RFC 8176: proof of a key that cannot be copied, or that is synced; the user was there."""
_log = structlog.get_logger("latchkey.passkeys")


@dataclass(frozen=True, slots=True)
class ShownPasskey:
    """A passkey, and the name that its user gave it."""

    name: str
    passkey: Passkey


@dataclass(frozen=True, slots=True)
class PasskeyVault:
    """Keeps what verifies passkeys, and verifies them. Those that their account does not list do not work."""

    kept: Passkeys
    accounts: Accounts
    party: RelyingParty

    def shown(self, account: Account) -> list[ShownPasskey]:
        """The passkeys of an account, the oldest first."""
        names = {listed.id: listed.name for listed in account.passkeys}
        found = self.kept.of_user(account.user.id) if names else ()
        return [ShownPasskey(names[each.id], each) for each in found if each.id in names]

    def usable(self, account: Account) -> list[Passkey]:
        """Those that were made for this RP id: browsers find no others."""
        return [each.passkey for each in self.shown(account) if each.passkey.rp_id == self.party.id]

    def find(self, credential: Mapping[str, Any]) -> tuple[Passkey, Account] | None:
        """The passkey whose credential was sent, and its account; None if no account lists it."""
        passkey = self.kept.find(digest_of_token(credential["id"]))
        if passkey is None:
            return None
        account = self.accounts.users.account(passkey.user_id)
        if account is None or passkey_of(account, passkey.id) is None:
            return None
        return passkey, account

    def use(
        self, passkey: Passkey, account: Account, credential: Mapping[str, Any], ceremony: Ceremony, device: Device
    ) -> tuple[str, ...]:
        """Count a use of a passkey of this account. Returns what it proves, in names of RFC 8176.

        Raises InvalidCode if it proves nothing; also for a count that is not above the last one, by which a copied
        passkey betrays itself: its user is told.
        """
        try:
            said = assertion(credential, passkey, account.user_handle, ceremony, self.party)
        except NotProvenError as failure:
            _log.info("passkey refused", passkey=passkey.id, cause=str(failure))
            raise InvalidCode(WRONG) from None
        now = self.accounts.clock()
        if not self.kept.record_use(passkey.id, said.sign_count, backed_up=said.backed_up, now=now):
            if self.kept.find(passkey.credential_digest) is not None:
                self._tell_of_regression(passkey, account, device)
            raise InvalidCode(WRONG) from SpentCodeError()
        return (_IN_SOFTWARE if passkey.backup_eligible else _IN_HARDWARE, _PRESENT)

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete all passkeys of a user who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.kept.remove_some_of(user_id, limit))

    def _tell_of_regression(self, passkey: Passkey, account: Account, device: Device) -> None:
        def told(present: Account) -> Account:
            name = next((each.name for each in present.passkeys if each.id == passkey.id), "")
            return self.accounts.with_warning(present, "passkey_counter_regressed", device, passkey=name)

        with suppress(SessionEnded):  # deleted or disabled meanwhile
            self.accounts.change(
                account.user.id,
                told,
                actions=["passkey.counter_regressed"],
                details={"passkey": passkey.id},
                device=device,
            )
