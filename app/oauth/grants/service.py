"""A client that acts for itself (RFC 6749 section 4.4)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import grants

from app.oauth.grants.replies import type_of
from app.oauth.parameters import resources_of, scopes_of
from app.oauth.server import WITH_SECRET, OAuthServer, Request


class ServiceGrant(grants.ClientCredentialsGrant):
    """Gives an access token that stands alone: there is no user, no session and no refresh token."""

    TOKEN_ENDPOINT_AUTH_METHODS = WITH_SECRET
    request: Request
    server: OAuthServer

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """The token, for the resources asked for; our own API refuses it, since it has no session."""
        services, client = self.server.services, self.request.client.client
        catalogue = services.catalogue.load()
        resources = resources_of(self.request.parameters, client, catalogue, own=services.audience)
        scopes = scopes_of(self.request.parameters, client, catalogue, resources, default=())
        key = self.request.bound_to
        token, lifetime = services.access_tokens.issue_to_client(
            client.id, audiences=resources, scope=" ".join(scopes), bound_to=key
        )
        services.observer.token_issued("client_credentials")
        reply: dict[str, Any] = {"access_token": token, "token_type": type_of(key), "expires_in": lifetime}
        if scopes:
            reply["scope"] = " ".join(scopes)
        return 200, reply, self.TOKEN_RESPONSE_HEADER
