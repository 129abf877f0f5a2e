"""Telling what a mailed token, or an address and a code, refer to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from app.errors import InvalidCode
from app.models.identifiers import email_key
from app.security import codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.clock import Clock
    from app.models.account import CodePurpose
    from app.models.mail_request import MailRequests
    from app.models.user import Users
    from app.security.codes import Purpose
    from app.security.secret_keys import SecretKeys
    from app.services.guesses import Guesses

_PURPOSES: dict[CodePurpose, tuple[Purpose, ...]] = {"verify": ("verify", "change", "register"), "reset": ("reset",)}
_CANDIDATES = 20
"""How many pending changes to one address, and pending registrations of it, a code is compared with."""


@dataclass(frozen=True, slots=True)
class Redeemable:
    """A genuine token or code: of which user (or mail request, to register), and which of their codes.

    Whether it is live is for the write that redeems it to say.
    """

    purpose: Purpose
    owner_id: str
    code_id: str


_NOBODYS = Redeemable("verify", str(UUID(int=0)), str(UUID(int=0)))
"""What a code is compared with where there is none: so that it takes as long."""


@dataclass(frozen=True, slots=True)
class MailedCodes:
    """Finds what is redeemed. `guesses` counts the wrong codes for each submitted address, known or not."""

    users: Users
    requests: MailRequests
    guesses: Guesses
    secrets: SecretKeys
    clock: Clock

    def find(self, use: CodePurpose, *, token: str | None, email: str | None, code: str | None) -> Redeemable:
        """What a token, or else an address and the code mailed to it, refer to. Raises InvalidCode."""
        if token is not None:
            return self.of_token(token, use)
        return self.of_code(email or "", code or "", use)

    def of_token(self, token: str, use: CodePurpose | Literal["undo"]) -> Redeemable:
        """What a token from a link refers to; no look into the store. Raises InvalidCode."""
        sent = codes.parse_token(token)
        purposes: tuple[Purpose, ...] = ("undo",) if use == "undo" else _PURPOSES[use]
        if sent is not None:
            for purpose in purposes:
                if codes.is_genuine(sent, purpose, self.secrets):
                    return Redeemable(purpose, sent.owner_id, sent.code_id)
        raise InvalidCode

    def of_code(self, email: str, code: str, use: CodePurpose) -> Redeemable:
        """What a code that was typed in refers to, together with the address it was mailed to. Raises InvalidCode.

        The wrong ones are counted; beyond 100 for an address its codes are dead (NIST SP 800-63B-4 section 3.2.2).
        """
        generation = self.guesses.admit(email, use)
        for each in list(self._candidates(email, use)) or [_NOBODYS]:
            if codes.is_code(code, each.purpose, each.owner_id, each.code_id, self.secrets, generation=generation):
                self.guesses.take_back(email, use)
                return each
        raise InvalidCode

    def code_for(self, address: str, purpose: Purpose, owner_id: str, code_id: str) -> str:
        """The code to mail to an address."""
        use: CodePurpose = "reset" if purpose == "reset" else "verify"
        generation = self.guesses.generation(address, use)
        return codes.make_code(self.secrets.current, purpose, owner_id, code_id, generation=generation)

    def replace_dead(self, email: str, use: CodePurpose) -> None:
        """Give the address other codes, if too many guesses made the present ones dead; for any address alike.

        Whatever asks for mail with a code has to call this first, before it looks whether there is an account.
        """
        self.guesses.replace_dead(email, use)

    def _candidates(self, email: str, use: CodePurpose) -> Iterator[Redeemable]:
        """The live codes that were mailed to this address for this use; the same reads whether there are any."""
        key, now = email_key(email), self.clock()
        if key is None:
            return
        account = self.users.account_by_email(key)
        for code in account.codes if account else ():
            if code.purpose == use and code.expires_at > now:
                yield Redeemable(code.purpose, account.user.id, code.id)  # type: ignore[union-attr] # it has codes
        if use == "reset":
            return
        for changing in self.users.accounts_changing_to(key, _CANDIDATES):
            pending = changing.pending_email
            if pending is not None and pending.expires_at > now:
                yield Redeemable("change", changing.user.id, pending.id)
        for request in self.requests.registrations(key, now, _CANDIDATES):
            yield Redeemable("register", request.id, request.id)
