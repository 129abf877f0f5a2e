"""Telling what a mailed token, or an address and a code, refer to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.errors import InvalidCode, TooManyRequests
from app.models.identifiers import comparable_email, email_key
from app.security import codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.clock import Clock
    from app.models.account import CodePurpose
    from app.models.mail_request import MailRequests
    from app.models.user import Users
    from app.security.codes import Purpose
    from app.security.secret_keys import SecretKeys
    from app.services.throttle import Throttle

_PURPOSES: dict[CodePurpose, tuple[Purpose, ...]] = {"verify": ("verify", "change", "register"), "reset": ("reset",)}
_CANDIDATES = 20
"""How many pending changes to one address, and pending registrations of it, a code is compared with."""


@dataclass(frozen=True, slots=True)
class Redeemable:
    """A genuine token or code: of which user (or mail request, to register), and which of his codes.

    Whether it is live is for the write that redeems it to say.
    """

    purpose: Purpose
    owner_id: str
    code_id: str


@dataclass(frozen=True, slots=True)
class MailedCodes:
    """Finds what is redeemed. `guesses` counts the wrong codes for each submitted address, known or not."""

    users: Users
    requests: MailRequests
    guesses: Throttle
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
        counted_as = self.counted_as(email, use)
        try:
            self.guesses.check(counted_as)
            for candidate in self._candidates(email, use):
                if codes.is_code(code, candidate.purpose, candidate.owner_id, candidate.code_id, self.secrets):
                    self.guesses.succeed(counted_as)
                    return candidate
            self.guesses.fail(counted_as)
        except TooManyRequests:
            raise InvalidCode from None
        raise InvalidCode

    def are_dead(self, email: str, use: CodePurpose) -> bool:
        """Whether the codes of an address are dead, because too many wrong ones were sent."""
        try:
            self.guesses.check(self.counted_as(email, use))
        except TooManyRequests:
            return True
        return False

    def revive(self, email: str, use: CodePurpose) -> None:
        """Forget the wrong codes of an address, whose codes were replaced."""
        self.guesses.forget(self.counted_as(email, use))

    def counted_as(self, email: str, use: CodePurpose) -> str:
        """The name under which wrong codes for an address are counted."""
        return f"{use}:{comparable_email(email)}"

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
