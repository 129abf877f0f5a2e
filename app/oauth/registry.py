"""Finds the client of a `client_id`, of whatever kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.platform.identifiers import is_identifier

if TYPE_CHECKING:
    from app.oauth.clients.model import Client, Clients


@dataclass(frozen=True, slots=True)
class ClientRegistry:
    """All that authorizes, or gives tokens, finds clients here alone."""

    clients: Clients

    def find(self, client_id: str) -> Client | None:
        """The client of this `client_id`, which may be any text; None if there is none. Raises Unavailable."""
        return self.clients.find(client_id) if is_identifier(client_id) else None
