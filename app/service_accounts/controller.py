"""Service accounts and their API keys, for administrators."""

from __future__ import annotations

from app.accounts.principal import Principal
from app.api_keys.inputs import CreateApiKey
from app.api_keys.keepers import SEE
from app.api_keys.service import ApiKeyService, NewKey
from app.api_keys.views import ApiKeyList, CreatedApiKey
from app.platform.errors import Forbidden, NotFound, ReauthenticationRequired, TooManyApiKeys
from app.service_accounts.inputs import ChangeServiceAccount, CreateServiceAccount
from app.service_accounts.service import MANAGE, ServiceAccountService
from app.service_accounts.views import ServiceAccountData, ServiceAccountList
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.guard import permission
from app.web.paging import Page
from app.web.view import Nothing

READ = SEE


@endpoint(
    "GET /admin/service-accounts",
    access=permission(READ).by("session", "api_key"),
    operation="listServiceAccounts",
    query=Page,
    returns=ServiceAccountList,
)
def service_accounts(call: Call, page: Page) -> ServiceAccountList:
    """The service accounts, oldest first. They are in no list of users."""
    found = call.get(ServiceAccountService).list_all(after=page.cursor, limit=page.limit)
    return ServiceAccountList.of(found)


@endpoint(
    "POST /admin/service-accounts",
    access=permission(MANAGE),
    operation="createServiceAccount",
    body=CreateServiceAccount,
    returns=ServiceAccountData,
    status=201,
    message="Service account created",
    raises=(Forbidden,),
)
def create(call: CallBy[Principal], body: CreateServiceAccount) -> ServiceAccountData:
    """Create a service account: for a program, which acts by its API keys. Nobody logs in to it.

    Nobody gives it a role that permits what they do not hold themselves.
    """
    service = call.get(ServiceAccountService)
    return ServiceAccountData.of(service.create(body.name, tuple(body.roles), call.device, by=call.caller))


@endpoint(
    "PATCH /admin/service-accounts/<account_id>",
    access=permission(MANAGE),
    operation="changeServiceAccount",
    body=ChangeServiceAccount,
    returns=ServiceAccountData,
    message="Service account changed",
    raises=(NotFound, Forbidden),
)
def change(call: CallBy[Principal], body: ChangeServiceAccount, account_id: str) -> ServiceAccountData:
    """Give a service account these roles and no others: its API keys permit no more than that from the next request on.

    It needs all permissions that the account has, and all that it shall have.
    """
    service = call.get(ServiceAccountService)
    return ServiceAccountData.of(service.set_roles(account_id, tuple(body.roles), call.device, by=call.caller))


@endpoint(
    "DELETE /admin/service-accounts/<account_id>",
    access=permission(MANAGE),
    operation="deleteServiceAccount",
    returns=Nothing,
    message="Service account deleted",
    raises=(NotFound, Forbidden),
)
def delete(call: CallBy[Principal], account_id: str) -> Nothing:
    """Delete a service account; its API keys end at once. It needs all permissions that the account has."""
    call.get(ServiceAccountService).delete(account_id, call.device, by=call.caller)
    return Nothing()


@endpoint(
    "GET /admin/service-accounts/<account_id>/api-keys",
    access=permission(READ),
    operation="listServiceAccountApiKeys",
    returns=ApiKeyList,
    raises=(NotFound,),
)
def api_keys(call: Call, account_id: str) -> ApiKeyList:
    """The API keys of a service account, oldest first."""
    owner = call.get(ServiceAccountService).get(account_id)
    return ApiKeyList.of(call.get(ApiKeyService).list_of(owner.id))


@endpoint(
    "POST /admin/service-accounts/<account_id>/api-keys",
    access=permission(MANAGE),
    operation="createServiceAccountApiKey",
    body=CreateApiKey,
    returns=CreatedApiKey,
    status=201,
    message="API key created: this reply is the only one that shows it",
    raises=(NotFound, Forbidden, ReauthenticationRequired, TooManyApiKeys),
)
def create_api_key(call: CallBy[Principal], body: CreateApiKey, account_id: str) -> CreatedApiKey:
    """Create an API key of a service account.

    It needs a login within the last `REAUTH_SECONDS`, and all permissions that the account has.
    """
    call.require_fresh_login()
    new = NewKey(body.name, tuple(body.permissions), body.expires_in_days)
    created = call.get(ServiceAccountService).create_key(account_id, new, call.device, by=call.caller)
    return CreatedApiKey.of(created)


@endpoint(
    "DELETE /admin/service-accounts/<account_id>/api-keys/<key_id>",
    access=permission(MANAGE),
    operation="deleteServiceAccountApiKey",
    returns=Nothing,
    message="API key deleted",
    raises=(NotFound, Forbidden),
)
def delete_api_key(call: CallBy[Principal], account_id: str, key_id: str) -> Nothing:
    """End an API key of a service account at once. It needs all permissions that the account has."""
    call.get(ServiceAccountService).delete_key(account_id, key_id, call.device, by=call.caller)
    return Nothing()
