"""What clients are called where their sessions are listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.platform.identifiers import is_identifier

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from app.oauth.clients.model import Clients


@dataclass(frozen=True, slots=True)
class RegisteredNames:
    """Names clients without asking anybody else; an `app.sessions.model.ClientNames`."""

    clients: Clients

    def names_of(self, client_ids: Collection[str]) -> Mapping[str, str]:
        """The names of these clients. That of a metadata document is its host: the document says of itself what it
        likes."""
        names: dict[str, str] = {}
        for client_id in client_ids:
            if not is_identifier(client_id):
                names[client_id] = urlsplit(client_id).hostname or client_id
            elif (client := self.clients.find(client_id)) is not None:
                names[client_id] = client.name
        return names
