"""Token revocation (RFC 7009), completed where Authlib's endpoint tells too much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc7009 import RevocationEndpoint

from app.oauth.refusal import RefusedError
from app.oauth.server import ANY_METHOD, OAuthServer, Request

if TYPE_CHECKING:
    from app.oauth.tokens import IssuedTokens


class Revocation(RevocationEndpoint):
    """Revokes a token of the client that asks.

    The reply is the same for any text. Authlib's says whether it is a token of another client (`invalid_grant`), and
    refuses an unknown hint, which RFC 7009 section 2.1 has the server ignore.
    """

    CLIENT_AUTH_METHODS = ANY_METHOD
    server: OAuthServer

    def __init__(self, server: OAuthServer, tokens: IssuedTokens) -> None:
        super().__init__(server)
        self.tokens = tokens

    def create_endpoint_response(self, request: Request) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Authenticate the client, and revoke its token."""
        client = self.authenticate_endpoint_client(request).client
        self.tokens.revoke(token_of(request), client, request.device)
        return 200, {}, []


def token_of(request: Request) -> str:
    """The token that was sent. Raises RefusedError if there is none."""
    token: str | None = request.form.get("token")
    if token is None:
        raise RefusedError("invalid_request", "token is required.", "token")
    return token
