"""Clients that register themselves with an initial access token (RFC 7591)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from app.oauth.clients.permissions import WRITE
from app.oauth.clients.secret_text import REGISTRATION, new_text
from app.oauth.registration.model import RegistrationToken
from app.platform.errors import InvalidToken, MissingToken
from app.platform.identifiers import digest_of_token
from app.roles.authority import require_permission

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.audit.service import Audit
    from app.oauth.clients.model import ClientFields
    from app.oauth.clients.service import ClientService, CreatedClient
    from app.oauth.registration.model import RegistrationTokens
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.roles.authority import Authority


@dataclass(frozen=True, slots=True)
class CreatedToken:
    """A new initial access token, and its text, which nobody sees again."""

    token: RegistrationToken
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RegistrationService:
    """Makes initial access tokens, and registers clients with them."""

    tokens: RegistrationTokens
    clients: ClientService
    authority: Authority
    audit: Audit
    clock: Clock

    def create_token(self, days: int, uses: int, by: Principal, device: Device) -> CreatedToken:
        """Make a token that registers `uses` clients within `days`.

        Raises SessionEnded or Forbidden if the caller may not do it any more, right before the write.
        """
        now, text = self.clock(), new_text(REGISTRATION)
        creator = by.actor_id or by.user.id
        token = RegistrationToken(digest_of_token(text), creator, now, now + timedelta(days=days), uses)
        require_permission(self.authority.held_by(by), WRITE)
        self.tokens.add(token)
        details = {"token": token.id[:8], "uses": str(uses), "expires_at": token.expires_at.isoformat()}
        self.audit.record(creator, "registration_token.created", device, **details)
        return CreatedToken(token, text)

    def register(self, said: ClientFields, text: str | None) -> CreatedClient:
        """Register a client with this token, which loses one use.

        The use goes first: if the client cannot be stored then, it is lost. Raises MissingToken without a token, and
        InvalidToken for one that is unknown, expired or used up: the three are not told apart.
        """
        if text is None:
            raise MissingToken
        token_id = digest_of_token(text)
        if not self.tokens.use(token_id, self.clock()):
            raise InvalidToken
        return self.clients.register(said, token_id)
