"""A passkey as second factor, and for step-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.accounts.factors import PASSKEY
from app.factors.ceremonies.service import WRONG
from app.platform.errors import InvalidCode
from app.platform.identifiers import digest_of_token

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.factors.ceremonies.service import CeremonyService
    from app.factors.passkeys.vault import PasskeyVault
    from app.platform.devices import Device
    from app.sessions.proof import Evidence


@dataclass(frozen=True, slots=True)
class PasskeyMethod:
    """A login method (`app.sessions.proof.LoginMethod`): the answer of a ceremony, by a passkey of the account."""

    vault: PasskeyVault
    ceremonies: CeremonyService
    name: str = PASSKEY
    by: Literal["code", "credential"] = "credential"
    steps_up: bool = True
    enrols: bool = True

    def prove(self, account: Account, evidence: Evidence, device: Device) -> tuple[str, ...]:
        """Use up the ceremony, and count the use of the passkey; raises InvalidCode."""
        ceremony = self.ceremonies.take(evidence.ceremony or "", "second_factor", "step_up", owner=evidence.bound_to)
        credential = evidence.credential or {}
        digest = digest_of_token(str(credential.get("id")))
        passkey = next((each for each in self.vault.usable(account) if each.credential_digest == digest), None)
        if passkey is None:
            raise InvalidCode(WRONG)
        return self.vault.use(passkey, account, credential, ceremony, device)
