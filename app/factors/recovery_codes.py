"""Recovery codes: ten, each `N-XXXX-XXXX-XXXXX`, for when the other factors are lost.

N is the number of the code, 0 to 9, so that one hash is compared per attempt; the rest are 13 characters of Crockford's
base 32, 65 bits. A random text of that size needs no slow hash: each is kept as SHA-256 with a salt of its own.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal

from app.accounts.factors import RECOVERY_CODE, RecoveryCode
from app.platform.errors import InvalidCode
from app.platform.identifiers import new_id
from app.sessions.proof import SpentCodeError

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.accounts.service import Accounts
    from app.platform.devices import Device
    from app.sessions.proof import Evidence

MANY: Final = 10
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUPS: Final = (4, 4, 5)
_FORM: Final = re.compile("([0-9])-?([0-9A-Z]{4})-?([0-9A-Z]{4})-?([0-9A-Z]{5})")
_AS_READ: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})


def new_codes() -> tuple[tuple[str, ...], tuple[RecoveryCode, ...]]:
    """Ten codes as they are shown, and as they are kept."""
    shown = tuple(_random(number) for number in range(MANY))
    return shown, tuple(_kept(number, text) for number, text in enumerate(shown))


def find(codes: tuple[RecoveryCode, ...], text: str) -> RecoveryCode:
    """The code that a text is, in either case, with or without its dashes. Raises InvalidCode if it is none of them, or
    is used."""
    typed = text.upper()
    form = _FORM.fullmatch(typed) if typed.isascii() else None
    if form is None:
        raise InvalidCode
    number, secret = int(form[1]), "".join(form.groups()[1:]).translate(_AS_READ)
    for code in codes:
        if code.number == number and hmac.compare_digest(code.digest, _digest(code.salt, secret)):
            if code.used_at is not None:
                raise InvalidCode from SpentCodeError()
            return code
    raise InvalidCode


@dataclass(frozen=True, slots=True)
class RecoveryCodeMethod:
    """A login method (`app.sessions.proof.LoginMethod`): a recovery code. It proves nothing in a session."""

    accounts: Accounts
    name: str = RECOVERY_CODE
    by: Literal["code", "credential"] = "code"
    steps_up: bool = False
    enrols: bool = False

    def prove(self, account: Account, evidence: Evidence, device: Device) -> tuple[str, ...]:
        """Use up a code, and tell the owner. Raises InvalidCode, and SessionEnded if the account has changed since."""
        code = evidence.code or ""

        def used(present: Account) -> Account:
            found = find(present.recovery_codes, code)
            left = sum(each.used_at is None for each in present.recovery_codes) - 1
            told = self.accounts.with_warning(present, "recovery_code_used", device, left=str(left))
            spent = replace(found, used_at=self.accounts.clock())
            return replace(told, recovery_codes=tuple(spent if each == found else each for each in told.recovery_codes))

        find(account.recovery_codes, code)  # a wrong one costs no further read
        self.accounts.change(account.user.id, used, actions=["recovery_code.used"], device=device)
        return ()


def _random(number: int) -> str:
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(size)) for size in _GROUPS)
    return "-".join((str(number), *groups))


def _kept(number: int, text: str) -> RecoveryCode:
    salt = secrets.token_hex(16)
    return RecoveryCode(new_id(), number, salt, _digest(salt, "".join(text.split("-")[1:])))


def _digest(salt: str, secret: str) -> str:
    return sha256(f"{salt} {secret}".encode()).hexdigest()
