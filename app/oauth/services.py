"""What the token endpoint works with. It is apart from the server, which imports Authlib: explaining needs it, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.accounts.model import Users
    from app.oauth.assertions import Assertions
    from app.oauth.catalogue.service import Catalogue
    from app.oauth.codes.model import Codes
    from app.oauth.consents.service import ConsentService
    from app.oauth.device_codes.model import DeviceCodes
    from app.oauth.exchange import Exchanges
    from app.oauth.id_tokens import IdTokens
    from app.oauth.registry import ClientRegistry
    from app.platform.clock import Clock
    from app.platform.instrumentation import Observer
    from app.security.dpop import Proofs
    from app.sessions.access_tokens import AccessTokens
    from app.sessions.gate import LoginGate
    from app.sessions.live import LiveSessions
    from app.sessions.refresh import RefreshService
    from app.sessions.service import SessionService


@dataclass(frozen=True, slots=True)
class TokenServices:
    """What the grants work with, and what explains why they refuse."""

    registry: ClientRegistry
    catalogue: Catalogue
    codes: Codes
    device_codes: DeviceCodes
    consents: ConsentService
    users: Users
    live: LiveSessions
    gate: LoginGate
    sessions: SessionService
    refreshes: RefreshService
    access_tokens: AccessTokens
    id_tokens: IdTokens
    exchanges: Exchanges
    assertions: Assertions
    clock: Clock
    observer: Observer
    audience: str
    """That of our own API (JWT_AUDIENCE)."""
    proofs: Proofs
