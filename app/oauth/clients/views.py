"""Clients as JSON."""

from __future__ import annotations

import json
from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.web.cursors import cursor_behind
from app.web.view import View

if TYPE_CHECKING:
    from app.oauth.clients.model import Client, ClientSecret, Workload
    from app.oauth.clients.service import ClientPage, CreatedSecret

_ID = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"
_EXAMPLE = "lkcs_3x9GmZ0bq7TtVYc1hRkP5uWsLf8NaE2dJo4Xi6QyBvC"


class SecretView(View):
    """A secret of a client; its text was shown once."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7b"])
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    expires_at: datetime | None = Field(description="Null if it lives until it is deleted.", examples=[None])

    @classmethod
    def of(cls, secret: ClientSecret) -> SecretView:
        """The view of a secret."""
        return cls(id=secret.id, created_at=secret.created_at, expires_at=secret.expires_at)


class WorkloadView(View):
    """A program that proves by the tokens of its platform which one it is."""

    issuer: str = Field(examples=["https://token.actions.githubusercontent.com"])
    subject: str = Field(examples=["repo:example/shop:ref:refs/heads/main"])
    audience: str | None = Field(description="Null for the PUBLIC_URL of this service.", examples=[None])

    @classmethod
    def of(cls, workload: Workload) -> WorkloadView:
        """The view of a workload."""
        return cls(issuer=workload.issuer, subject=workload.subject, audience=workload.audience)


class ClientView(View):
    """A client."""

    id: str = Field(examples=[_ID])
    client_id: str = Field(description="The same, by the name that OAuth has for it.", examples=[_ID])
    name: str = Field(examples=["The shop"])
    kind: str = Field(description="`public`, `confidential` or `service`.", examples=["confidential"])
    redirect_uris: list[str] = Field(examples=[["https://shop.example.com/callback"]])
    post_logout_redirect_uris: list[str] = Field(examples=[["https://shop.example.com/bye"]])
    scopes: list[str] | None = Field(
        description="Null for one that registered itself: it asks for the standard scopes, and those of the resources"
        " asked for.",
        examples=[["openid", "profile"]],
    )
    resources: list[str] | None = Field(description="Null for all of `/admin/resources`.", examples=[None])
    first_party: bool = Field(examples=[False])
    require_second_factor: bool = Field(examples=[False])
    session_seconds: int | None = Field(examples=[None])
    backchannel_logout_uri: str | None = Field(examples=[None])
    dpop_bound_access_tokens: bool = Field(
        description="Whether it gets access tokens that are bound to its key alone.", examples=[False]
    )
    token_exchange: bool = Field(
        description="Whether it may exchange the tokens that it receives (RFC 8693).", examples=[False]
    )
    jwks: dict[str, Any] | None = Field(
        description="The keys that it signs its assertions with (private_key_jwt).", examples=[None]
    )
    jwks_uri: str | None = Field(description="Where it publishes these.", examples=[None])
    workload: WorkloadView | None = Field(description="What proves it by its platform.", examples=[None])
    secrets: list[SecretView]
    registered: bool = Field(description="Whether it registered itself.", examples=[False])
    created_by: str | None = Field(description="The administrator who created it.", examples=[None])
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])

    @classmethod
    def of(cls, client: Client) -> ClientView:
        """The view of a client."""
        return cls(
            id=client.id,
            client_id=client.id,
            name=client.name,
            kind=client.kind,
            redirect_uris=list(client.redirect_uris),
            post_logout_redirect_uris=list(client.post_logout_redirect_uris),
            scopes=None if client.scopes is None else list(client.scopes),
            resources=None if client.resources is None else list(client.resources),
            first_party=client.first_party,
            require_second_factor=client.require_second_factor,
            session_seconds=client.session_seconds,
            backchannel_logout_uri=client.backchannel_logout_uri,
            dpop_bound_access_tokens=client.dpop_bound_access_tokens,
            token_exchange=client.token_exchange,
            jwks=None if client.jwks is None else json.loads(client.jwks),
            jwks_uri=client.jwks_uri,
            workload=None if client.workload is None else WorkloadView.of(client.workload),
            secrets=[SecretView.of(secret) for secret in client.secrets],
            registered=client.registered_with is not None,
            created_by=client.created_by,
            created_at=client.created_at,
        )


class ClientData(View):
    """One client."""

    client: ClientView

    @classmethod
    def of(cls, client: Client) -> ClientData:
        """The data of a reply about one client."""
        return cls(client=ClientView.of(client))


class ClientWithSecret(View):
    """One client, and its secret."""

    client: ClientView
    client_secret: str = Field(description="It is not shown again.", examples=[_EXAMPLE])

    @classmethod
    def of(cls, client: Client, secret: str) -> ClientWithSecret:
        """The data of a reply with the secret of a new client."""
        return cls(client=ClientView.of(client), client_secret=secret)


class ClientSecretData(View):
    """A new secret of a client."""

    secret: SecretView
    client_secret: str = Field(description="It is not shown again.", examples=[_EXAMPLE])

    @classmethod
    def of(cls, made: CreatedSecret) -> ClientSecretData:
        """The data of a reply with a new secret."""
        return cls(secret=SecretView.of(made.secret), client_secret=made.text)


class ClientList(View):
    """A page of the clients."""

    clients: list[ClientView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, page: ClientPage) -> ClientList:
        """The data of a reply with a page of clients."""
        return cls(clients=[ClientView.of(client) for client in page.clients], next=cursor_behind(page.next))
