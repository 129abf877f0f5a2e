"""Finds the client of a `client_id`, of whatever kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.oauth.cimd import names_document
from app.oauth.refusal import RefusedError
from app.platform.identifiers import is_identifier

if TYPE_CHECKING:
    from app.oauth.cimd import MetadataDocuments
    from app.oauth.clients.model import Client, Clients


@dataclass(frozen=True, slots=True)
class ClientRegistry:
    """All that authorizes, or gives tokens, finds clients here alone."""

    clients: Clients
    documents: MetadataDocuments

    def find(self, client_id: str) -> Client | None:
        """The client of this `client_id`, which may be any text; None if there is none. Raises Unavailable.

        Nothing is fetched: of a client with a metadata document it is known that CIMD_ALLOW admits it, and no more.
        That is enough for what it was given already; before it is given more, ask `described`.
        """
        if names_document(client_id):
            return self.documents.admitted(client_id)
        return self.clients.find(client_id) if is_identifier(client_id) else None

    def described(self, client_id: str) -> Client:
        """The same, with its metadata document, which may be fetched for it. Raises RefusedError, which says why there
        is no such client, and Unavailable."""
        if names_document(client_id):
            return self.documents.described(client_id)
        client = self.find(client_id)
        if client is None:
            raise RefusedError("invalid_client", "There is no such client.", "unknown_client")
        return client

    def admits(self, client_id: str) -> bool:
        """Whether this may be a client still, as far as can be told without asking the store: the sessions of a
        registered one end with it, those of one that CIMD_ALLOW no longer names do not."""
        return not names_document(client_id) or self.documents.admitted(client_id) is not None
