"""API keys, for their owners and for administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.principal import Principal
from app.api_keys.inputs import CreateApiKey, LeakedKey
from app.api_keys.service import ApiKeyService, NewKey
from app.api_keys.views import AllApiKeys, ApiKeyList, ApiKeyView, CreatedApiKey
from app.platform.errors import Forbidden, NotFound, ReauthenticationRequired, TooManyApiKeys, Unavailable
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.export import exporter
from app.web.guard import authenticated, permission, public
from app.web.paging import Page
from app.web.view import Nothing

if TYPE_CHECKING:
    from collections.abc import Iterator


@endpoint("GET /auth/api-keys", access=authenticated, operation="listApiKeys", returns=ApiKeyList)
def api_keys(call: CallBy[Principal]) -> ApiKeyList:
    """The user's own API keys, oldest first."""
    return ApiKeyList.of(call.get(ApiKeyService).list_of(call.caller.user.id))


@endpoint(
    "POST /auth/api-keys",
    access=authenticated,
    operation="createApiKey",
    body=CreateApiKey,
    returns=CreatedApiKey,
    status=201,
    message="API key created: this reply is the only one that shows it",
    raises=(Forbidden, ReauthenticationRequired, TooManyApiKeys),
)
def create(call: CallBy[Principal], body: CreateApiKey) -> CreatedApiKey:
    """Create an API key, with which a program acts for the user. It goes where an access token goes.

    It allows what its `permissions` say, as far as the user may do it at the time of use; nobody gives it more than
    they hold. It needs a login within the last `REAUTH_SECONDS`. The key outlives logouts and changes of the password.
    """
    call.require_fresh_login()
    new = NewKey(body.name, tuple(body.permissions), body.expires_in_days)
    created = call.get(ApiKeyService).create(call.caller.user.id, new, call.device, by=call.caller)
    return CreatedApiKey.of(created)


@endpoint(
    "DELETE /auth/api-keys/<key_id>",
    access=authenticated,
    operation="deleteApiKey",
    returns=Nothing,
    message="API key deleted",
    raises=(NotFound,),
)
def delete(call: CallBy[Principal], key_id: str) -> Nothing:
    """End one of the user's own API keys at once, on every instance."""
    call.get(ApiKeyService).delete(call.caller.user.id, key_id, call.device, by=call.caller)
    return Nothing()


@endpoint(
    "POST /auth/api-keys/leaked",
    access=public,
    limit="leaked-key",
    operation="reportLeakedApiKey",
    body=LeakedKey,
    returns=Nothing,
    message="If this is an API key, it has ended",
    raises=(Unavailable,),
)
def leaked(call: Call, body: LeakedKey) -> Nothing:
    """Report an API key that was found where it should not be: it ends, and its owner is told.

    The reply is the same for every text. It takes the whole key.
    """
    call.get(ApiKeyService).report_leaked(body.key)
    return Nothing()


@endpoint(
    "GET /admin/api-keys",
    access=permission("api_keys:read"),
    operation="listAllApiKeys",
    query=Page,
    returns=AllApiKeys,
)
def all_api_keys(call: Call, page: Page) -> AllApiKeys:
    """The API keys of all users and service accounts, oldest first, without their secrets.

    A page may hold fewer than `limit`, even none, before the end.
    """
    return AllApiKeys.of(call.get(ApiKeyService).list_all(after=page.cursor, limit=page.limit))


@exporter("api_keys", ApiKeyView)
def exported(call: CallBy[Principal]) -> Iterator[list[ApiKeyView]]:
    """The user's own API keys, oldest first: a user has few."""
    yield ApiKeyList.of(call.get(ApiKeyService).list_of(call.caller.user.id)).api_keys
