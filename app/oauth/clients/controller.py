"""Clients, for those who administer them."""

from __future__ import annotations

from app.accounts.principal import Principal
from app.oauth.clients.inputs import (
    CreateClient,
    CreateSecret,
    UpdateClient,
)
from app.oauth.clients.permissions import READ, WRITE
from app.oauth.clients.service import ClientService
from app.oauth.clients.views import (
    ClientData,
    ClientList,
    ClientSecretData,
    ClientWithSecret,
)
from app.platform.errors import (
    Forbidden,
    NotFound,
    ReauthenticationRequired,
    SessionEnded,
    TooManySecrets,
    ValidationFailed,
)
from app.web.call import Call, CallBy
from app.web.endpoint import Outcome, endpoint
from app.web.guard import permission
from app.web.paging import Page
from app.web.view import Nothing

_READ = permission(READ).by("session", "api_key")
_WRITE = permission(WRITE)
_REFUSED = (Forbidden, SessionEnded, ReauthenticationRequired)


@endpoint("GET /admin/clients", access=_READ, operation="listClients", query=Page, returns=ClientList)
def clients(call: Call, page: Page) -> ClientList:
    """The clients, oldest first."""
    return ClientList.of(call.get(ClientService).listed(after=page.cursor, limit=page.limit))


@endpoint(
    "POST /admin/clients",
    access=_WRITE,
    operation="createClient",
    body=CreateClient,
    returns=ClientWithSecret,
    status=201,
    message="Client created: this reply is the only one that shows its secret",
    or_else=(Outcome(ClientData, 201, "Client created"),),
    raises=(*_REFUSED, ValidationFailed),
)
def create(call: CallBy[Principal], body: CreateClient) -> ClientWithSecret | ClientData:
    """Create a client: an application that logs users in here, or that acts for itself.

    Its `client_id` is its `id`. A confidential client and a service get a secret, unless they have `jwks`,
    `jwks_uri` or a `workload`, by which they prove themselves without one; a public client gets none. One of the first
    party asks its users for no consent, and its tokens act as a login's; one with `token_exchange` gets tokens of users
    by those that it receives: both need the permission `clients:trust`. All needs a login within the last
    REAUTH_SECONDS.
    """
    call.require_fresh_login()
    made = call.get(ClientService).create(body.said, call.caller, call.device)
    return ClientData.of(made.client) if made.secret is None else ClientWithSecret.of(made.client, made.secret)


@endpoint(
    "GET /admin/clients/<client_id>",
    access=_READ,
    operation="getClient",
    returns=ClientData,
    raises=(NotFound,),
)
def client(call: Call, client_id: str) -> ClientData:
    """One client."""
    return ClientData.of(call.get(ClientService).find(client_id))


@endpoint(
    "PATCH /admin/clients/<client_id>",
    access=_WRITE,
    operation="updateClient",
    body=UpdateClient,
    returns=ClientData,
    raises=(*_REFUSED, NotFound, ValidationFailed),
)
def update(call: CallBy[Principal], body: UpdateClient, client_id: str) -> ClientData:
    """Change a client. If it may do less than before, its sessions end.

    This needs a login within the last REAUTH_SECONDS, and `clients:trust` for a client that is, or shall be, of the
    first party, or that exchanges tokens.
    """
    call.require_fresh_login()
    return ClientData.of(call.get(ClientService).change(client_id, body.changes, call.caller, call.device))


@endpoint(
    "DELETE /admin/clients/<client_id>",
    access=_WRITE,
    operation="deleteClient",
    returns=Nothing,
    message="Client deleted",
    raises=(*_REFUSED, NotFound),
)
def delete(call: CallBy[Principal], client_id: str) -> Nothing:
    """Delete a client. Its sessions end, and what its users allowed is forgotten."""
    call.require_fresh_login()
    call.get(ClientService).delete(client_id, call.caller, call.device)
    return Nothing()


@endpoint(
    "POST /admin/clients/<client_id>/secrets",
    access=_WRITE,
    operation="createClientSecret",
    body=CreateSecret,
    returns=ClientSecretData,
    status=201,
    message="Secret created: this reply is the only one that shows it",
    raises=(*_REFUSED, NotFound, TooManySecrets, ValidationFailed),
)
def create_secret(call: CallBy[Principal], body: CreateSecret, client_id: str) -> ClientSecretData:
    """Create a second secret of a client, so that it replaces the first without an interruption. There are two at most.

    This needs a login within the last REAUTH_SECONDS.
    """
    call.require_fresh_login()
    service = call.get(ClientService)
    return ClientSecretData.of(service.add_secret(client_id, body.expires_in_days, call.caller, call.device))


@endpoint(
    "DELETE /admin/clients/<client_id>/secrets/<secret_id>",
    access=_WRITE,
    operation="deleteClientSecret",
    returns=Nothing,
    message="Secret deleted",
    raises=(*_REFUSED, NotFound),
)
def delete_secret(call: CallBy[Principal], client_id: str, secret_id: str) -> Nothing:
    """Delete a secret: the client does not get in by it any more. What it opened stays."""
    call.require_fresh_login()
    call.get(ClientService).delete_secret(client_id, secret_id, call.caller, call.device)
    return Nothing()
