"""Who may call what: every route has a declared rule, and every role meets it on every route and method.

A new endpoint is refused here until it stands in the table, which is written by hand.
"""

from dataclasses import replace
from typing import Any

import pytest

from app.accounts.principal import Principal
from app.api_keys.authenticator import ApiKeyAuthenticator
from app.api_keys.service import ApiKeyService, NewKey
from app.features import ENDPOINTS, PAGES, PERMISSIONS, PROTOCOLS
from app.health.views import Ping
from app.platform.devices import Device
from app.web.caller import KINDS, CallerKind
from app.web.endpoint import endpoint
from app.web.guard import Access, authenticated, on_page, permission, public, public_or_session
from tests.api.service import Service
from tests.contract.entities import an_impersonation
from tests.unit.instance import session_of
from tests.unit.web.callers import OfOneKind
from tests.unit.web.serving import serving

SERVED = (*ENDPOINTS, *PAGES, *PROTOCOLS)
EVERYBODY, WHO_LOGGED_IN = "public", "authenticated"
ON_PAGES = "authenticated on pages"
EITHER = "public or authenticated"
ACCESS = {
    "POST /auth/register": EVERYBODY,
    "POST /auth/login": EVERYBODY,
    "POST /auth/login/continue": EVERYBODY,
    "POST /auth/login/options": EVERYBODY,
    "POST /auth/login/passkey/options": EVERYBODY,
    "POST /auth/login/passkey": EVERYBODY,
    "POST /auth/reauthenticate/options": WHO_LOGGED_IN,
    "POST /auth/passkeys/options": WHO_LOGGED_IN,
    "POST /auth/passkeys": WHO_LOGGED_IN,
    "GET /auth/passkeys": WHO_LOGGED_IN,
    "PATCH /auth/passkeys/<passkey_id>": WHO_LOGGED_IN,
    "DELETE /auth/passkeys/<passkey_id>": WHO_LOGGED_IN,
    "POST /auth/login/code": EVERYBODY,
    "POST /auth/login/code/verify": EVERYBODY,
    "GET /auth/providers": EVERYBODY,
    "POST /auth/providers/<provider>/start": EITHER,
    "GET /auth/providers/<provider>/callback": EVERYBODY,
    "POST /auth/providers/<provider>/callback": EVERYBODY,
    "POST /auth/providers/finish": EITHER,
    "GET /auth/identities": WHO_LOGGED_IN,
    "DELETE /auth/identities/<identity_id>": WHO_LOGGED_IN,
    "GET /auth/me": WHO_LOGGED_IN,
    "PATCH /auth/me": WHO_LOGGED_IN,
    "DELETE /auth/me": WHO_LOGGED_IN,
    "GET /auth/me/export": WHO_LOGGED_IN,
    "POST /auth/password": WHO_LOGGED_IN,
    "POST /auth/password/forgot": EVERYBODY,
    "POST /auth/password/reset": EVERYBODY,
    "POST /auth/email/verify": EVERYBODY,
    "POST /auth/email/resend": EVERYBODY,
    "POST /auth/email/disown": EVERYBODY,
    "POST /auth/email": WHO_LOGGED_IN,
    "POST /auth/email/undo": EVERYBODY,
    "GET /auth/events": WHO_LOGGED_IN,
    "GET /auth/factors": WHO_LOGGED_IN,
    "POST /auth/factors/totp": WHO_LOGGED_IN,
    "POST /auth/factors/totp/confirm": WHO_LOGGED_IN,
    "DELETE /auth/factors/totp": WHO_LOGGED_IN,
    "POST /auth/factors/recovery-codes": WHO_LOGGED_IN,
    "POST /auth/factors/recover": EVERYBODY,
    "DELETE /auth/factors/recover": WHO_LOGGED_IN,
    "POST /auth/factors/recover/cancel": EVERYBODY,
    "GET /auth/users": WHO_LOGGED_IN,
    "GET /admin/audit": "audit:read",
    "POST /admin/users": "users:write",
    "POST /auth/invitation": EVERYBODY,
    "PUT /admin/users/<user_id>/roles": "roles:write",
    "POST /admin/users/<user_id>/impersonate": "users:impersonate",
    "GET /admin/users": "users:read",
    "GET /admin/users/<user_id>": "users:read",
    "PATCH /admin/users/<user_id>": "users:write",
    "DELETE /admin/users/<user_id>": "users:write",
    "POST /admin/users/<user_id>/disable": "users:write",
    "POST /admin/users/<user_id>/enable": "users:write",
    "POST /admin/users/<user_id>/logout": "users:write",
    "POST /admin/users/<user_id>/reset-password": "users:write",
    "POST /admin/users/<user_id>/unlock": "users:write",
    "POST /admin/users/<user_id>/reset-factors": "users:write",
    "GET /admin/keys": "keys:write",
    "POST /admin/keys/rotate": "keys:write",
    "GET /admin/roles": "roles:read",
    "POST /admin/roles": "roles:write",
    "PATCH /admin/roles/<name>": "roles:write",
    "DELETE /admin/roles/<name>": "roles:write",
    "POST /oauth/revoke": EVERYBODY,
    "POST /oauth/introspect": EVERYBODY,
    "GET /oauth/authorize": EVERYBODY,
    "POST /oauth/authorize": EVERYBODY,
    "POST /oauth/par": EVERYBODY,
    "POST /oauth/token": EVERYBODY,
    "GET /oauth/userinfo": WHO_LOGGED_IN,
    "POST /oauth/userinfo": WHO_LOGGED_IN,
    "GET /.well-known/openid-configuration": EVERYBODY,
    "GET /.well-known/oauth-authorization-server": EVERYBODY,
    "GET /.well-known/oauth-authorization-server/<path:below>": EVERYBODY,
    "GET /.well-known/oauth-protected-resource": EVERYBODY,
    "GET /.well-known/oauth-protected-resource/<path:below>": EVERYBODY,
    "POST /admin/clients/explain": "clients:read",
    "GET /oauth/logout": EVERYBODY,
    "POST /oauth/logout": EVERYBODY,
    "POST /oauth/logout/confirm": EVERYBODY,
    "GET /auth/grants": WHO_LOGGED_IN,
    "DELETE /auth/grants/<path:client>": WHO_LOGGED_IN,
    "GET /auth/api-keys": WHO_LOGGED_IN,
    "POST /auth/api-keys": WHO_LOGGED_IN,
    "DELETE /auth/api-keys/<key_id>": WHO_LOGGED_IN,
    "POST /auth/api-keys/leaked": EVERYBODY,
    "GET /admin/api-keys": "api_keys:read",
    "GET /admin/service-accounts": "service_accounts:read",
    "POST /admin/service-accounts": "service_accounts:write",
    "PATCH /admin/service-accounts/<account_id>": "service_accounts:write",
    "DELETE /admin/service-accounts/<account_id>": "service_accounts:write",
    "GET /admin/service-accounts/<account_id>/api-keys": "service_accounts:read",
    "POST /admin/service-accounts/<account_id>/api-keys": "service_accounts:write",
    "DELETE /admin/service-accounts/<account_id>/api-keys/<key_id>": "service_accounts:write",
    "GET /api/products": EVERYBODY,
    "GET /api/products/my": WHO_LOGGED_IN,
    "POST /api/products": WHO_LOGGED_IN,
    "DELETE /api/products/<product_id>": WHO_LOGGED_IN,
    "GET /api/count": WHO_LOGGED_IN,
    "GET /admin/webhooks": "webhooks:write",
    "POST /admin/webhooks": "webhooks:write",
    "PATCH /admin/webhooks/<webhook_id>": "webhooks:write",
    "DELETE /admin/webhooks/<webhook_id>": "webhooks:write",
    "POST /admin/webhooks/<webhook_id>/rotate-secret": "webhooks:write",
    "POST /admin/webhooks/<webhook_id>/test": "webhooks:write",
    "GET /admin/webhooks/<webhook_id>/deliveries": "webhooks:write",
    "POST /admin/webhooks/<webhook_id>/deliveries/<delivery_id>/replay": "webhooks:write",
    "GET /admin/clients": "clients:read",
    "POST /admin/clients": "clients:write",
    "GET /admin/clients/<client_id>": "clients:read",
    "PATCH /admin/clients/<client_id>": "clients:write",
    "DELETE /admin/clients/<client_id>": "clients:write",
    "POST /admin/clients/<client_id>/secrets": "clients:write",
    "DELETE /admin/clients/<client_id>/secrets/<secret_id>": "clients:write",
    "POST /admin/registration-tokens": "clients:write",
    "GET /admin/scopes": "clients:read",
    "POST /admin/scopes": "clients:write",
    "DELETE /admin/scopes/<path:name>": "clients:write",
    "GET /admin/resources": "clients:read",
    "POST /admin/resources": "clients:write",
    "DELETE /admin/resources/<path:name>": "clients:write",
    "POST /oauth/register": EVERYBODY,
    "GET /asyncapi.json": EVERYBODY,
    "POST /auth/refresh": EVERYBODY,
    "POST /auth/reauthenticate": WHO_LOGGED_IN,
    "POST /auth/logout": WHO_LOGGED_IN,
    "GET /auth/sessions": WHO_LOGGED_IN,
    "DELETE /auth/sessions/<session_id>": WHO_LOGGED_IN,
    "POST /auth/explain": EVERYBODY,
    "GET /auth/verify": WHO_LOGGED_IN,
    "GET /.well-known/jwks.json": EVERYBODY,
    "GET /.well-known/passkey-endpoints": EVERYBODY,
    "GET /.well-known/webauthn": EVERYBODY,
    "GET /.well-known/change-password": EVERYBODY,
    "GET /account/passkeys": EVERYBODY,
    "GET /health": EVERYBODY,
    "GET /auth/health": EVERYBODY,
    "GET /health/live": EVERYBODY,
    "GET /health/ready": EVERYBODY,
    "GET /api/ping": EVERYBODY,
    "GET /metrics": EVERYBODY,
    "GET /": EVERYBODY,
    "GET /openapi.json": EVERYBODY,
    "GET /swagger/": EVERYBODY,
    "GET /errors/<code>": EVERYBODY,
    "GET /assets/<name>": EVERYBODY,
    "GET /verify-email": EVERYBODY,
    "POST /verify-email": EVERYBODY,
    "GET /reset-password": EVERYBODY,
    "POST /reset-password": EVERYBODY,
    "GET /invitation": EVERYBODY,
    "POST /invitation": EVERYBODY,
    "GET /undo-email": EVERYBODY,
    "POST /undo-email": EVERYBODY,
    "GET /cancel-recovery": EVERYBODY,
    "POST /cancel-recovery": EVERYBODY,
    "GET /login/mail": EVERYBODY,
    "POST /login/mail": EVERYBODY,
    "GET /login": EVERYBODY,
    "POST /login": EVERYBODY,
    "GET /login/factor": EVERYBODY,
    "POST /login/factor": EVERYBODY,
    "GET /login/enrol": EVERYBODY,
    "POST /login/enrol": EVERYBODY,
    "GET /login/provider": EVERYBODY,
    "POST /login/provider": EVERYBODY,
    "GET /logout": EVERYBODY,
    "POST /logout": EVERYBODY,
    "GET /consent": EVERYBODY,
    "POST /consent": EVERYBODY,
    "GET /assets/brand.css": EVERYBODY,
    "GET /dev/mail": EVERYBODY,
    "POST /oauth/device_authorization": EVERYBODY,
    "GET /device": ON_PAGES,
    "POST /device": ON_PAGES,
}
"""Who may call each endpoint: a word, or the name of a permission."""
ADMITTED: dict[str, set[CallerKind]] = {
    "GET /auth/me": {"session", "impersonation", "api_key"},
    "PATCH /auth/me": {"session", "impersonation"},
    "DELETE /auth/me": {"session"},
    "GET /auth/me/export": {"session"},
    "POST /auth/password": {"session"},
    "POST /auth/email": {"session"},
    "POST /admin/users/<user_id>/reset-factors": {"session"},
    "POST /auth/reauthenticate": {"session"},
    "POST /auth/reauthenticate/options": {"session"},
    "POST /auth/passkeys/options": {"session", "pending_login"},
    "POST /auth/passkeys": {"session", "pending_login"},
    "GET /auth/passkeys": {"session"},
    "PATCH /auth/passkeys/<passkey_id>": {"session"},
    "DELETE /auth/passkeys/<passkey_id>": {"session"},
    "GET /auth/identities": {"session"},
    "DELETE /auth/identities/<identity_id>": {"session"},
    "GET /auth/factors": {"session"},
    "POST /auth/factors/totp": {"session", "pending_login"},
    "POST /auth/factors/totp/confirm": {"session", "pending_login"},
    "DELETE /auth/factors/totp": {"session"},
    "POST /auth/factors/recovery-codes": {"session"},
    "DELETE /auth/factors/recover": {"session"},
    "GET /auth/events": {"session", "impersonation"},
    "GET /auth/users": {"session", "impersonation", "api_key"},
    "GET /oauth/userinfo": {"session", "client"},
    "POST /oauth/userinfo": {"session", "client"},
    "POST /admin/clients/explain": {"session", "api_key"},
    "GET /auth/grants": {"session"},
    "DELETE /auth/grants/<path:client>": {"session"},
    "GET /auth/api-keys": {"session"},
    "POST /auth/api-keys": {"session"},
    "DELETE /auth/api-keys/<key_id>": {"session"},
    "GET /admin/api-keys": {"session"},
    "GET /admin/service-accounts": {"session", "api_key"},
    "POST /admin/service-accounts": {"session"},
    "PATCH /admin/service-accounts/<account_id>": {"session"},
    "DELETE /admin/service-accounts/<account_id>": {"session"},
    "GET /admin/service-accounts/<account_id>/api-keys": {"session"},
    "POST /admin/service-accounts/<account_id>/api-keys": {"session"},
    "DELETE /admin/service-accounts/<account_id>/api-keys/<key_id>": {"session"},
    "GET /admin/audit": {"session", "api_key"},
    "GET /api/products/my": {"session", "impersonation", "api_key"},
    "POST /api/products": {"session", "impersonation", "api_key"},
    "DELETE /api/products/<product_id>": {"session", "impersonation", "api_key"},
    "GET /api/count": {"session", "impersonation", "api_key"},
    "POST /auth/logout": {"session", "impersonation"},
    "GET /auth/sessions": {"session", "impersonation"},
    "DELETE /auth/sessions/<session_id>": {"session"},
    "GET /auth/verify": {"session", "impersonation", "api_key"},
    "GET /admin/roles": {"session", "api_key"},
    "POST /admin/roles": {"session", "api_key"},
    "PATCH /admin/roles/<name>": {"session", "api_key"},
    "DELETE /admin/roles/<name>": {"session", "api_key"},
    "POST /admin/users": {"session", "api_key"},
    "PUT /admin/users/<user_id>/roles": {"session", "api_key"},
    "POST /admin/users/<user_id>/impersonate": {"session"},
    "GET /admin/users": {"session", "api_key"},
    "GET /admin/users/<user_id>": {"session", "api_key"},
    "PATCH /admin/users/<user_id>": {"session", "api_key"},
    "DELETE /admin/users/<user_id>": {"session", "api_key"},
    "POST /admin/users/<user_id>/disable": {"session", "api_key"},
    "POST /admin/users/<user_id>/enable": {"session", "api_key"},
    "POST /admin/users/<user_id>/logout": {"session"},
    "POST /admin/users/<user_id>/reset-password": {"session"},
    "POST /admin/users/<user_id>/unlock": {"session"},
    "GET /admin/keys": {"session"},
    "POST /admin/keys/rotate": {"session"},
    "GET /admin/webhooks": {"session", "api_key"},
    "POST /admin/webhooks": {"session", "api_key"},
    "PATCH /admin/webhooks/<webhook_id>": {"session", "api_key"},
    "DELETE /admin/webhooks/<webhook_id>": {"session", "api_key"},
    "POST /admin/webhooks/<webhook_id>/rotate-secret": {"session", "api_key"},
    "POST /admin/webhooks/<webhook_id>/test": {"session", "api_key"},
    "GET /admin/webhooks/<webhook_id>/deliveries": {"session", "api_key"},
    "POST /admin/webhooks/<webhook_id>/deliveries/<delivery_id>/replay": {"session", "api_key"},
    "GET /admin/clients": {"session", "api_key"},
    "POST /admin/clients": {"session"},
    "GET /admin/clients/<client_id>": {"session", "api_key"},
    "PATCH /admin/clients/<client_id>": {"session"},
    "DELETE /admin/clients/<client_id>": {"session"},
    "POST /admin/clients/<client_id>/secrets": {"session"},
    "DELETE /admin/clients/<client_id>/secrets/<secret_id>": {"session"},
    "POST /admin/registration-tokens": {"session"},
    "GET /admin/scopes": {"session", "api_key"},
    "POST /admin/scopes": {"session", "api_key"},
    "DELETE /admin/scopes/<path:name>": {"session", "api_key"},
    "GET /admin/resources": {"session", "api_key"},
    "POST /admin/resources": {"session", "api_key"},
    "DELETE /admin/resources/<path:name>": {"session", "api_key"},
}
"""The kinds of callers that each endpoint admits, if it is not for everybody. An API key never reaches API keys,
passwords, factors or sessions; for the rest of the administration, its permissions decide. An impersonation changes
nothing that lets anyone in, takes nothing out, and administers nothing. A login that is not finished adds a factor, and
does nothing else. The token of a client of a third party gets what userinfo tells, and nothing else."""
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"]
PATHS = sorted({rule.partition(" ")[2] for rule in ACCESS})
EXAMPLES = {
    "<code>": "not_found",
    "<path:below>": "elsewhere",
    "<path:client>": "https%3A%2F%2Fclient.example%2Fapp",
    "roles/<name>": "roles/nobody",
    "<name>": "pages.css",
    "<user_id>": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7c",
    "<account_id>": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7d",
    "<passkey_id>": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7e",
    "<identity_id>": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7f",
    "<provider>": "nobody",
    "<key_id>": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7e",
    "<session_id>": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a",
    "<product_id>": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7b",
    "<client_id>": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7c",
    "<secret_id>": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7d",
    "scopes/<path:name>": "scopes/nothing:read",
    "resources/<path:name>": "resources/nothing",
    "<webhook_id>": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7c",
    "<delivery_id>": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7d",
}
ANSWERS = {"GET": 200, "HEAD": 200, "POST": 422, "PUT": 422, "PATCH": 200, "DELETE": 404}
"""The reply of each method to a permitted caller: the body has a wrong field, and what is to be deleted does not
exist."""
OTHERS = {
    "GET /admin/service-accounts/<account_id>/api-keys": 404,
    "PATCH /admin/service-accounts/<account_id>": 422,
    "DELETE /auth/me": 422,
    "PATCH /auth/passkeys/<passkey_id>": 422,
    "GET /admin/clients/<client_id>": 404,
    "PATCH /admin/clients/<client_id>": 404,
    "POST /oauth/register": 400,
    "PATCH /admin/webhooks/<webhook_id>": 404,
    "GET /admin/webhooks/<webhook_id>/deliveries": 404,
    "GET /oauth/logout": 303,
    "POST /oauth/logout": 415,
    "POST /oauth/logout/confirm": 415,
    "GET /metrics": 404,
    "GET /.well-known/change-password": 302,
    "PATCH /admin/roles/<name>": 404,
    "GET /admin/users/<user_id>": 404,
    "PATCH /admin/users/<user_id>": 404,
    "GET /oauth/authorize": 400,
    "POST /oauth/authorize": 415,
    "POST /oauth/par": 400,
    "POST /oauth/token": 400,
    "POST /oauth/userinfo": 400,
    "GET /.well-known/oauth-authorization-server/<path:below>": 404,
    "GET /.well-known/oauth-protected-resource/<path:below>": 404,
    "POST /verify-email": 415,
    "POST /reset-password": 415,
    "POST /undo-email": 415,
    "POST /cancel-recovery": 415,
    "POST /login/mail": 415,
    "POST /login": 415,
    "GET /login/factor": 303,
    "POST /login/factor": 415,
    "GET /login/enrol": 303,
    "POST /login/enrol": 415,
    "GET /login/provider": 303,
    "POST /login/provider": 415,
    "POST /logout": 415,
    "GET /consent": 303,
    "POST /consent": 415,
    "POST /oauth/device_authorization": 400,
    "GET /auth/providers/<provider>/callback": 404,
    "POST /auth/providers/<provider>/callback": 415,
    "POST /invitation": 415,
    "POST /oauth/revoke": 400,
    "POST /oauth/introspect": 400,
}
"""What is answered instead: some have no body, the password is missing, METRICS_ALLOW is empty, a form is not JSON, it
leads elsewhere."""
ALSO = {
    "PATCH /auth/passkeys/options": "PATCH /auth/passkeys/<passkey_id>",
    "DELETE /auth/passkeys/options": "DELETE /auth/passkeys/<passkey_id>",
}
"""What is a rule on another path, too: no passkey has that identifier."""
ANY_HOST = {"GET /health", "GET /auth/health", "GET /health/live", "GET /health/ready", "GET /api/ping", "GET /metrics"}


def permits(role: str | None, rule: str) -> bool:
    """Whether a role may call the endpoint; None is an anonymous caller."""
    needed = ACCESS[rule]
    if needed in {EVERYBODY, EITHER}:
        return True
    return role is not None and (
        needed == WHO_LOGGED_IN or needed in {"admin": PERMISSIONS, "member": frozenset()}[role]
    )


def concrete(path: str) -> str:
    """The path with an example in each placeholder."""
    for placeholder, example in EXAMPLES.items():
        path = path.replace(placeholder, example)
    return path


@pytest.fixture(scope="module")
def tokens(service: Service) -> dict[str | None, str | None]:
    return {None: None, "member": service.register().token, "admin": service.administrator().token}


def test_every_route_of_the_application_is_a_declared_endpoint(service: Service) -> None:
    served = {
        f"{method} {rule.rule}"
        for rule in service.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {f"{declared.method} {declared.path}" for declared in SERVED} == ACCESS.keys()


def test_every_endpoint_declares_the_access_that_was_decided() -> None:
    assert all(isinstance(declared.access, Access) for declared in SERVED)
    assert {
        f"{declared.method} {declared.path}": str(declared.access).partition(" by ")[0] for declared in SERVED
    } == ACCESS


def test_every_endpoint_declares_the_kinds_of_callers_that_were_decided() -> None:
    declared = {f"{each.method} {each.path}": each.access for each in SERVED}
    by_header = {rule: access for rule, access in declared.items() if access.authenticated and not access.cookie}
    assert {rule: set(access.kinds) for rule, access in by_header.items()} == ADMITTED
    assert all(access.kinds == {"session"} for access in declared.values() if access.cookie)


def test_a_client_of_a_third_party_is_told_who_the_user_is_and_reaches_nothing_else() -> None:
    admitting = {f"{each.method} {each.path}" for each in SERVED if "client" in each.access.kinds}
    assert admitting == {"GET /oauth/userinfo", "POST /oauth/userinfo"}


def with_a_key(service: Service, principal: Principal) -> Principal:
    """The same user, by way of a key that allows everything."""
    new, device = NewKey("All", tuple(sorted(PERMISSIONS))), Device("192.0.2.1", "curl/8.5.0")
    created = service.wired.get(ApiKeyService).create(principal.user.id, new, device, by=principal)
    return service.wired.get(ApiKeyAuthenticator).authenticate(created.text)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_caller_meets_the_rule_on_each_endpoint(service: Service, kind: CallerKind) -> None:
    principal = replace(
        session_of(service.wired, service.administrator().id),
        kind=kind,
        permissions=PERMISSIONS,
        impersonation=an_impersonation() if kind == "impersonation" else None,
    )
    if kind == "api_key":
        principal = with_a_key(service, replace(principal, kind="session"))
    by_header = (each for each in SERVED if not each.access.cookie)
    client = serving(*by_header, wired=service.wired, authenticators=(OfOneKind(principal),)).test_client()
    refused = set()
    for rule in ADMITTED:
        method, _, path = rule.partition(" ")
        reply = client.open(
            concrete(path),
            method=method,
            json={"no such field": True} if method in {"POST", "PUT", "PATCH"} else None,
            headers={"x-access-token": "any"},
            buffered=True,
        )
        assert reply.status_code in {200, 201, 400, 401, 403, 404, 422}, rule
        if reply.status_code in {401, 403} and "permission" not in reply.get_json().get("message", ""):
            assert reply.status_code == (401 if kind == "pending_login" else 403)
            refused.add(rule)
    assert refused == {rule for rule, kinds in ADMITTED.items() if kind not in kinds}


def test_every_endpoint_is_described() -> None:
    assert [declared.name for declared in SERVED if not declared.function.__doc__] == []


def test_an_endpoint_without_a_rule_does_not_start() -> None:
    declare: Any = endpoint
    with pytest.raises(TypeError, match="access"):
        declare("GET /open", returns=Ping)


def test_a_permission_that_does_not_exist_does_not_start(service: Service) -> None:
    declared = endpoint("GET /secret", access=permission("users:raed"), returns=Ping)(lambda _call: Ping())
    with pytest.raises(ValueError, match=r"GET /secret: there is no permission 'users:raed'"):
        serving(declared, wired=service.wired)


def test_access_says_what_it_asks_for() -> None:
    said = [str(access) for access in (public, public_or_session, authenticated, permission("users:read"), on_page)]
    assert said == [
        EVERYBODY,
        EITHER,
        WHO_LOGGED_IN,
        "users:read",
        ON_PAGES,
    ]


def test_what_machines_request_all_the_time_is_not_logged_each_time() -> None:
    probes = {f"{declared.method} {declared.path}" for declared in SERVED if declared.probe}
    assert probes == ANY_HOST - {"GET /api/ping"}


def test_only_health_checks_are_answered_under_any_host() -> None:
    assert {f"{declared.method} {declared.path}" for declared in SERVED if declared.any_host} == ANY_HOST


@pytest.mark.parametrize("path", PATHS)
def test_each_role_meets_the_rule_on_each_route_and_method(
    service: Service, tokens: dict[str | None, str | None], path: str
) -> None:
    met, ruled = {}, {}
    for role, token in tokens.items():
        for method in METHODS:
            wrong = {"no such field": True} if method == "POST" else None
            met[role, method] = service.send(method, concrete(path), json=wrong, token=token).status_code
            ruled[role, method] = answer_to(role, method, path)
    assert met == ruled


def answer_to(role: str | None, method: str, path: str) -> int:
    """The status that a role has to get for such a request."""
    rule = f"{'GET' if method == 'HEAD' else method} {path}"
    rule = ALSO.get(rule, rule)
    if method == "OPTIONS":
        return 204
    if rule not in ACCESS:
        return 405
    if ACCESS[rule] == ON_PAGES:  # no header logs anybody in there
        return 401 if method == "POST" else 303
    if permits(role, rule):
        return OTHERS.get(rule, ANSWERS[method])
    return 401 if role is None else 403


def test_a_permission_is_required_of_logged_in_users(service: Service, tokens: dict[str | None, str | None]) -> None:
    """No endpoint asks for one yet, so one is added to an application of its own."""
    declared = endpoint("GET /secret", access=permission("keys:write"), returns=Ping)(lambda _call: Ping())
    app = serving(declared, wired=service.wired)
    statuses = {}
    for role, token in tokens.items():
        response = app.test_client().get("/secret", headers={"x-access-token": token} if token else {})
        statuses[role] = response.status_code
        if response.status_code == 403:
            assert "keys:write" in response.text
    assert statuses == {None: 401, "member": 403, "admin": 200}
