"""Authenticator apps: RFC 6238 with pyotp, secrets sealed, each time step spent once.

The secret is sealed with AES-256-GCM under a key derived from SECRET_KEY, bound to its user. One from before a change
of SECRET_KEY opens with SECRET_KEY_FALLBACKS, until the job `keys` has sealed it again.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import pyotp
from pyotp.exceptions import OTPVerificationError

from app.accounts.factors import TOTP
from app.factors.totp_secrets.model import TotpSecret
from app.platform import pieces
from app.platform.errors import InvalidCode, Unavailable
from app.security import sealing
from app.security.secret_keys import SealedError
from app.sessions.proof import SpentCodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from app.accounts.account import Account
    from app.factors.imported import ImportedApps
    from app.factors.totp_secrets.model import TotpSecrets
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.security.secret_keys import SecretKeys
    from app.sessions.proof import Evidence

DRIFT: Final = 1
"""Time steps either way, RFC 6238 section 5.2."""
_LABEL: Final = "latchkey totp seal"
_CODE: Final = re.compile("[0-9]{6,8}")
_DIGESTS: Final[dict[str, Any]] = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}


class _Totp(pyotp.TOTP):
    """Also with a secret of 80 bits: many systems made such ones, and an import takes them. pyotp asks for 112."""

    min_secret_length_bits: ClassVar[int] = 80


@dataclass(frozen=True, slots=True)
class TotpParameters:
    """What an authenticator app computes its codes from; `secret` is in base 32, `period` in seconds."""

    secret: str = field(repr=False)
    algorithm: str = "SHA1"
    digits: int = 6
    period: int = 30

    @classmethod
    def new(cls) -> TotpParameters:
        """A random secret of 160 bits (RFC 4226 section 4, R6), with the parameters that every app knows."""
        return cls(pyotp.random_base32())

    @property
    def totp(self) -> pyotp.TOTP:
        """What computes and checks the codes."""
        return _Totp(self.secret, digits=self.digits, digest=_DIGESTS[self.algorithm], interval=self.period)

    def uri(self, product: str, name: str) -> str:
        """What an app reads from a QR code, for the user of this name."""
        return self.totp.provisioning_uri(name=name, issuer_name=product)

    def step_of(self, code: str, now: datetime) -> int:
        """The time step of a code that is valid now; raises InvalidCode for any other text."""
        if not _CODE.fullmatch(code):
            raise InvalidCode
        try:
            return self.totp.verify_and_get_timecode(code, for_time=now, valid_window=DRIFT)
        except OTPVerificationError:
            raise InvalidCode from None


@dataclass(frozen=True, slots=True)
class TotpVault:
    """Keeps the secrets of authenticator apps, and checks and spends their codes."""

    kept: TotpSecrets
    secrets: SecretKeys
    clock: Clock

    def seal(self, secret_id: str, user_id: str, parameters: TotpParameters, *, expires_at: datetime | None) -> None:
        """Store a secret under the current SECRET_KEY; one that is not used until `expires_at` goes."""
        text, root = json.dumps(_plain(parameters)), self.secrets.current
        sealed = sealing.seal(text.encode(), root, _LABEL, user_id)
        self.kept.add(TotpSecret(secret_id, user_id, root.name, sealed, expires_at))

    def spend(self, secret_id: str, code: str) -> None:
        """Use up the time step of a code. Raises InvalidCode for a wrong code, and for one of a step that is spent.

        Raises Unavailable if no SECRET_KEY opens the secret.
        """
        found = self.kept.get(secret_id)
        if found is None:
            raise InvalidCode
        now = self.clock()
        try:
            step = self._open(found).step_of(code, now)
        except SealedError as error:
            raise Unavailable from error
        if not self.kept.spend(secret_id, step, now):
            raise InvalidCode from SpentCodeError()

    def parameters_of(self, secret_id: str) -> TotpParameters | None:
        """An open secret, for an export; None if it is gone. Raises SealedError if no SECRET_KEY opens it."""
        found = self.kept.get(secret_id)
        return None if found is None else self._open(found)

    def last_used_at(self, secret_id: str) -> datetime | None:
        """When a code of this secret was last used."""
        found = self.kept.get(secret_id)
        return None if found is None else found.last_used_at

    def reseal(self) -> int:
        """Seal again under SECRET_KEY what a former one sealed; returns how many. What nothing opens stays as it is."""
        current, done, after = self.secrets.current, 0, ""
        while some := self.kept.sealed_otherwise(current.name, after=after, limit=pieces.AT_ONCE):
            for each in some:
                try:
                    text = json.dumps(_plain(self._open(each)))
                except SealedError:
                    continue
                sealed = sealing.seal(text.encode(), current, _LABEL, each.user_id)
                done += self.kept.reseal(each, sealed, current.name)
            after = some[-1].id
        return done

    def wrapped_by(self) -> Iterable[str]:
        """For each secret, the name of the SECRET_KEY that seals it."""
        return chain.from_iterable(repeat(name, many) for name, many in self.kept.seals().items())

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete all secrets of a user who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.kept.remove_some_of(user_id, limit))

    def _open(self, secret: TotpSecret) -> TotpParameters:
        root = self.secrets.named(secret.wrapped_by)
        if root is None:
            raise SealedError(f"a TOTP secret is sealed under another SECRET_KEY (its name is {secret.wrapped_by})")
        return TotpParameters(**json.loads(sealing.unseal(secret.sealed, root, _LABEL, secret.user_id)))


@dataclass(frozen=True, slots=True)
class TotpMethod:
    """A login method (`app.sessions.proof.LoginMethod`): a code of an authenticator app."""

    vault: TotpVault
    imported: ImportedApps
    name: str = TOTP
    by: Literal["code", "credential"] = "code"
    steps_up: bool = True
    enrols: bool = True

    def prove(self, account: Account, evidence: Evidence, device: Device) -> tuple[str, ...]:  # noqa: ARG002 - not told
        """Spend a code of one of the account's apps; raises InvalidCode, and SessionEnded if the account is gone."""
        refused = InvalidCode()
        for listed in self.imported.adopted(account).totp:
            if listed.is_confirmed:
                try:
                    self.vault.spend(listed.id, evidence.code or "")
                except InvalidCode as failure:
                    refused = failure
                else:
                    return ("otp",)
        raise refused


def _plain(parameters: TotpParameters) -> dict[str, str | int]:
    return {
        "secret": parameters.secret,
        "algorithm": parameters.algorithm,
        "digits": parameters.digits,
        "period": parameters.period,
    }
