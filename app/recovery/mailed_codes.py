"""Finds what a mailed token, or an address and a code, refer to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args
from uuid import UUID

from app.platform.errors import InvalidCode
from app.platform.identifiers import email_key
from app.security import codes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.mail_requests.model import MailRequests
    from app.accounts.model import Users
    from app.accounts.under_way import CodePurpose
    from app.platform.clock import Clock
    from app.security.codes import Purpose
    from app.security.secret_keys import SecretKeys
    from app.throttle.guesses import Guesses

_PURPOSES: dict[CodePurpose, tuple[Purpose, ...]] = {
    "verify": ("verify", "change", "register"),
    "reset": ("reset", "rescue"),
    "invitation": ("invitation",),
}
_USES: dict[Purpose, Purpose] = {
    **{purpose: use for use, purposes in _PURPOSES.items() for purpose in purposes},
    "login": "login",
}
"""What guesses of the code of each purpose are counted as."""
LinkedUse: TypeAlias = Literal["undo", "factor_recovery"]
"""What is mailed as a link alone, without a code to type."""
LINK_ONLY: Final[frozenset[str]] = frozenset(get_args(LinkedUse))
_LINKED: dict[LinkedUse, tuple[Purpose, ...]] = {"undo": ("undo",), "factor_recovery": ("factor_recovery",)}
_BY_TOKEN: Final = _PURPOSES | _LINKED
_CANDIDATES = 20
"""How many pending changes to an address, and how many pending registrations of it, a code is compared with."""


@dataclass(frozen=True, slots=True)
class Redeemable:
    """A genuine token or code: its user (or its mail request, for a registration), and which of their codes it is.

    The write that redeems it decides whether it is still live.
    """

    purpose: Purpose
    owner_id: str
    code_id: str


_NOBODYS = Redeemable("verify", str(UUID(int=0)), str(UUID(int=0)))
"""Compared with a code when the address has none, so that the check takes as long."""


@dataclass(frozen=True, slots=True)
class MailedCodes:
    """Looks up tokens and codes. `guesses` counts the wrong codes for each submitted address, known or not."""

    users: Users
    requests: MailRequests
    guesses: Guesses
    secrets: SecretKeys
    clock: Clock

    def redeemable(self, use: CodePurpose, *, token: str | None, email: str | None, code: str | None) -> Redeemable:
        """What a token refers to, or without one an address and the code mailed to it. Raises InvalidCode."""
        if token is not None:
            return self.of_token(token, use)
        return self.of_code(email or "", code or "", use)

    def of_token(self, token: str, use: CodePurpose | LinkedUse) -> Redeemable:
        """What a token from a link refers to, without a read of the store. Raises InvalidCode."""
        sent = codes.parse_token(token)
        purposes = _BY_TOKEN[use]
        if sent is not None:
            for purpose in purposes:
                if codes.is_genuine(sent, purpose, self.secrets):
                    return Redeemable(purpose, sent.owner_id, sent.code_id)
        raise InvalidCode

    def of_code(self, email: str, code: str, use: CodePurpose) -> Redeemable:
        """What a typed code and the address it was mailed to refer to. Raises InvalidCode.

        Wrong codes are counted; after 100 for an address its codes are dead (NIST SP 800-63B-4 section 3.2.2).
        """
        generation = self.guesses.admit(email, use)
        for each in list(self._candidates(email, use)) or [_NOBODYS]:
            if codes.is_code(code, each.purpose, each.owner_id, each.code_id, self.secrets, generation=generation):
                self.guesses.take_back(email, use)
                return each
        raise InvalidCode

    def code_for(self, address: str, purpose: Purpose, owner_id: str, code_id: str) -> str:
        """The code to mail to an address."""
        generation = self.guesses.generation(address, _USES[purpose])
        return codes.make_code(self.secrets.current, purpose, owner_id, code_id, generation=generation)

    def replace_dead(self, email: str, use: Purpose) -> None:
        """Replace the codes of an address if too many guesses made them dead; the same for any address.

        Code that requests mail with a code must call this first, before it checks whether there is an account.
        """
        self.guesses.replace_dead(email, use)

    def _candidates(self, email: str, use: CodePurpose) -> Iterator[Redeemable]:
        """The live codes that were mailed to this address for this use; the reads are the same if there are none."""
        key, now = email_key(email), self.clock()
        if key is None:
            return
        if (account := self.users.account_by_email(key)) is not None:
            yield from _live_codes(account, use, now)
        if use == "reset":
            return
        for changing in self.users.accounts_changing_to(key, _CANDIDATES):
            if use == "invitation":
                yield from _live_codes(changing, use, now)
                continue
            pending = changing.pending_email
            if pending is not None and pending.expires_at > now:
                yield Redeemable("change", changing.user.id, pending.id)
        if use == "invitation":
            return
        for request in self.requests.registrations(key, now, _CANDIDATES):
            yield Redeemable("register", request.id, request.id)


def _live_codes(account: Account, use: CodePurpose, now: datetime) -> Iterator[Redeemable]:
    for code in account.codes:
        if code.purpose == use and code.expires_at > now:
            yield Redeemable(use, account.user.id, code.id)
