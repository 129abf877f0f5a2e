"""A token of a user that a client received, for one of its own (RFC 8693)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import UnauthorizedClientError

from app.oauth.exchange import ACCESS_TOKEN
from app.oauth.grant_types import TOKEN_EXCHANGE
from app.oauth.grants.replies import type_of
from app.oauth.server import WITH_SECRET, OAuthServer, Request


class ExchangeGrant(grants.BaseGrant, grants.TokenEndpointMixin):
    """Gives an access token alone: it ends with the session of the token that it was given for."""

    GRANT_TYPE = TOKEN_EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = WITH_SECRET
    request: Request
    server: OAuthServer

    def validate_token_request(self) -> None:
        """Which client, and that it may exchange tokens of others at all."""
        client = self.request.client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("This client may not exchange tokens.")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """The token (section 2.2.1)."""
        services, key = self.server.services, self.request.bound_to
        checked = services.exchanges.check(self.request.parameters, self.request.client.client, key)
        issued = services.exchanges.issue(checked, self.request.device)
        services.observer.token_issued("token_exchange")
        reply: dict[str, Any] = {
            "access_token": issued.access_token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": type_of(key),
            "expires_in": issued.lifetime,
        }
        if issued.scopes:
            reply["scope"] = " ".join(issued.scopes)
        return 200, reply, self.TOKEN_RESPONSE_HEADER
