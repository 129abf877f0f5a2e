"""Token introspection (RFC 7662)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from app.oauth.revocation import token_of
from app.oauth.server import WITH_SECRET, OAuthServer, Request

if TYPE_CHECKING:
    from app.oauth.tokens import IssuedTokens


class Introspection(IntrospectionEndpoint):
    """Tells a client with a secret what a token says, if the token is its business.

    Of any other text it says the same as of a token that is not accepted any more: `active: false`, and nothing else.
    """

    CLIENT_AUTH_METHODS = WITH_SECRET
    server: OAuthServer

    def __init__(self, server: OAuthServer, tokens: IssuedTokens) -> None:
        super().__init__(server)
        self.tokens = tokens

    def create_endpoint_response(self, request: Request) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Authenticate the client, and tell."""
        client = self.authenticate_endpoint_client(request).client
        found = self.tokens.find(token_of(request))
        if found is None or not found.concerns(client):
            return 200, {"active": False}, []
        return 200, {"active": True, **found.told}, []
