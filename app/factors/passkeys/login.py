"""Logging in with a passkey alone, which counts as two factors: what the user has, and what unlocks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.accounts.authentication import MFA, Authentication
from app.accounts.factors import PASSKEY
from app.platform.errors import InvalidCode, InvalidCredentials, SessionEnded, UnknownPasskey
from app.sessions.proof import Proof

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.factors.ceremonies.service import CeremonyService
    from app.factors.passkeys.vault import PasskeyVault
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.sessions.failed_logins import FailedLogins
    from app.sessions.gate import LoginGate
    from app.sessions.session_tokens import OpenedSession


@dataclass(frozen=True, slots=True)
class PasskeyLogin:
    """Exchanges the answer of a ceremony for a session. No signature can be guessed, so no failure is counted."""

    vault: PasskeyVault
    ceremonies: CeremonyService
    gate: LoginGate
    failed: FailedLogins
    clock: Clock

    def login(self, token: str, credential: Mapping[str, Any], device: Device) -> OpenedSession:
        """Open a session of the user whose passkey it is.

        Raises UnknownPasskey if no account has it; InvalidCredentials if it, or the ceremony, proves nothing; and what
        `LoginGate.admit` raises, if more is missing.
        """
        try:
            ceremony = self.ceremonies.take(token, "login")
        except InvalidCode:
            raise InvalidCredentials(_WRONG) from None
        found = self.vault.find(credential)
        if found is None:
            raise UnknownPasskey
        passkey, account = found
        try:
            proven = self.vault.use(passkey, account, credential, ceremony, device)
        except InvalidCode:
            self.failed.note(account.user.id, PASSKEY, device)
            raise InvalidCredentials(_WRONG) from None
        proof = Proof(account.credentials, Authentication(self.clock(), (*proven, MFA)))
        try:
            return self.gate.admit(proof, device)
        except SessionEnded:  # deleted, disabled or given other factors meanwhile
            raise InvalidCredentials(_WRONG) from None


_WRONG = "This passkey opens nothing. Ask for new options and try again."
