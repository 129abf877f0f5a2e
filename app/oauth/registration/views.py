"""Clients that register themselves, as JSON."""

from __future__ import annotations

import json
from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING, Any

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema  # noqa: TC002 - pydantic reads the annotation

from app.web.view import BareView, View, is_none

if TYPE_CHECKING:
    from app.oauth.clients.service import CreatedClient
    from app.oauth.registration.inputs import RegisterClient


class RegistrationTokenData(View):
    """An initial access token."""

    token: str = Field(
        description="It is not shown again.", examples=["lkrt_3x9GmZ0bq7TtVYc1hRkP5uWsLf8NaE2dJo4Xi6QyBvC"]
    )
    expires_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    uses: int = Field(description="How many clients it registers.", examples=[1])


class Registered(BareView):
    """What was registered (RFC 7591 section 3.2.1)."""

    client_id: str
    client_id_issued_at: int
    client_secret: str | SkipJsonSchema[None] = Field(exclude_if=is_none)
    client_secret_expires_at: int | SkipJsonSchema[None] = Field(exclude_if=is_none)
    client_name: str
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    token_endpoint_auth_method: str
    jwks: dict[str, Any] | SkipJsonSchema[None] = Field(exclude_if=is_none)
    jwks_uri: str | SkipJsonSchema[None] = Field(exclude_if=is_none)
    grant_types: list[str]
    response_types: list[str]
    dpop_bound_access_tokens: bool

    @classmethod
    def of(cls, made: CreatedClient, asked: RegisterClient) -> Registered:
        """The reply about a client that registered itself, as it `asked`."""
        return cls(
            client_id=made.client.id,
            client_id_issued_at=int(made.client.created_at.timestamp()),
            client_secret=made.secret,
            client_secret_expires_at=None if made.secret is None else 0,
            client_name=made.client.name,
            redirect_uris=list(made.client.redirect_uris),
            post_logout_redirect_uris=list(made.client.post_logout_redirect_uris),
            token_endpoint_auth_method=asked.token_endpoint_auth_method,
            jwks=None if made.client.jwks is None else json.loads(made.client.jwks),
            jwks_uri=made.client.jwks_uri,
            grant_types=asked.grant_types,
            response_types=asked.response_types,
            dpop_bound_access_tokens=made.client.dpop_bound_access_tokens,
        )
