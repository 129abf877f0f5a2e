"""Ceremonies: each is begun for one purpose and one owner, and answered once, whether the answer is right or not."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.factors.ceremonies.model import Ceremony
from app.platform import pieces
from app.platform.errors import InvalidCode
from app.platform.identifiers import digest_of_token
from app.sessions.proof import SpentCodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.factors.ceremonies.model import Ceremonies, Purpose
    from app.platform.clock import Clock

LIVES: Final = timedelta(minutes=5)
_BYTES: Final = 32
"""Of what the client sends back, and of the challenge (WebAuthn Level 3 section 13.4.3 asks for 16 at the least)."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A ceremony for its client: what it sends back, and the challenge in base64url."""

    token: str = field(repr=False)
    challenge: str


@dataclass(frozen=True, slots=True)
class CeremonyService:
    """Begins ceremonies, and takes their answers."""

    kept: Ceremonies
    clock: Clock

    def begin(self, purpose: Purpose, *, owner: str | None = None, user_id: str | None = None) -> Begun:
        """Begin one that the `owner` of it alone can answer: a session or a pending login of this user."""
        token, challenge = secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES)
        self.kept.add(Ceremony(digest_of_token(token), purpose, challenge, self.clock() + LIVES, owner, user_id))
        return Begun(token, challenge)

    def take(self, token: str, *purposes: Purpose, owner: str | None = None) -> Ceremony:
        """Use one up. Raises InvalidCode, which is no guess, for one that is unknown, used up, expired, or was begun
        for another purpose or owner; which of these it is does not show."""
        found = self.kept.take(digest_of_token(token))
        if found is None or found.expires_at <= self.clock() or found.owner != owner or found.purpose not in purposes:
            raise InvalidCode(WRONG) from SpentCodeError()
        return found

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete the ceremonies of a user who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.kept.remove_some_of(user_id, limit))


WRONG: Final = "This passkey proves nothing here. Ask for new options and try again."
"""What InvalidCode says of passkeys."""
