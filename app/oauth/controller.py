"""The endpoints of the authorization server that the RFCs describe: their parameters, and their shape of errors."""

from __future__ import annotations

import json
from typing import Any, Final, cast

from app.accounts.principal import Principal
from app.oauth.authorization import Authorizations
from app.oauth.devices import DeviceFlow
from app.oauth.parts import ClientEndpoints
from app.oauth.refusal import RefusedError
from app.oauth.refusal_page import told
from app.oauth.requests.service import PUSHED_LIVES, PUSHED_REQUEST, AuthorizationRequests
from app.oauth.userinfo import claims_of
from app.platform.errors import Forbidden, TooManyRequests, Unavailable
from app.sessions.access_tokens import scopes_in
from app.sessions.page_sessions import PageSessions
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.guard import PAGE_COOKIE, authenticated, public
from app.web.parameters import Parameters
from app.web.result import Carrying, File, redirect

DEVICE_PAGE: Final = "/device"


@endpoint(
    "GET /oauth/authorize",
    access=public,
    limit="authorize",
    parameters="query",
    returns=File,
    status=303,
    media_type="text/html",
    carries=(PAGE_COOKIE,),
    on=lambda settings: settings.oauth.pages,
    raises=(Forbidden, Unavailable),
)
def authorize(call: Call, parameters: Parameters) -> File | Carrying:
    """Lead the browser on: to the login, to the consent, or back to the client with a code.

    It issues a code on a GET, as OpenID Connect has it: the redirect URI is the client's own, and the code is worth
    nothing without its verifier.
    """
    try:
        authorization = call.get(AuthorizationRequests).check(parameters)
        visitor = cast("Principal | None", call.visitor)
        page = redirect(call.get(Authorizations).proceed(authorization, visitor))
        cookie = None if visitor is None else call.get(PageSessions).slid(visitor, call.device)
        return page if cookie is None else Carrying(page, cookies=(cookie,))
    except RefusedError as refused:
        return told(call, refused)


@endpoint(
    "POST /oauth/authorize",
    access=public,
    limit="authorize",
    parameters="body",
    returns=File,
    status=303,
    media_type="text/html",
    on=lambda settings: settings.oauth.pages,
    raises=(Unavailable,),
)
def authorize_by_form(call: Call, parameters: Parameters) -> File:
    """Keep a request that a page of another site posted, and have the browser come back with a GET.

    A POST from another site carries no page cookie (SameSite=Lax), so it decides nothing by who is logged in.
    """
    requests = call.get(AuthorizationRequests)
    try:
        return redirect(requests.url_of(requests.check(parameters)))
    except RefusedError as refused:
        return told(call, refused)


@endpoint(
    "POST /oauth/token",
    access=public,
    limit="token",
    parameters="body",
    rfc="invalid_request",
    origins="registered",
    returns=File,
    raises=(Unavailable, TooManyRequests),
)
def exchange(call: Call, parameters: Parameters) -> File:
    """Exchange a code, a refresh token or the client's own authentication for tokens."""
    return call.get(ClientEndpoints).answer(parameters, call.header("Authorization"), call.device, call.proof)


@endpoint(
    "POST /oauth/revoke",
    access=public,
    limit="token",
    parameters="body",
    rfc="invalid_request",
    origins="registered",
    returns=File,
    raises=(Unavailable,),
)
def revoke(call: Call, parameters: Parameters) -> File:
    """End the session that a refresh token or an access token of the client belongs to (RFC 7009).

    So all tokens of that session end. The reply is the same for any other text.
    """
    return call.get(ClientEndpoints).answer_at("revocation", parameters, call.header("Authorization"), call.device)


@endpoint(
    "POST /oauth/introspect",
    access=public,
    limit="introspect",
    parameters="body",
    rfc="invalid_request",
    returns=File,
    raises=(Unavailable,),
)
def introspect(call: Call, parameters: Parameters) -> File:
    """Tell a client with a secret whether a token is accepted now, and what it says (RFC 7662).

    It is told of its own tokens, and of those that it is the audience of.
    """
    return call.get(ClientEndpoints).answer_at("introspection", parameters, call.header("Authorization"), call.device)


@endpoint(
    "POST /oauth/par",
    access=public,
    limit="authorize",
    parameters="body",
    rfc="invalid_request",
    returns=File,
    status=201,
    on=lambda settings: settings.oauth.pages,
    raises=(Unavailable,),
)
def push(call: Call, parameters: Parameters) -> File:
    """Keep an authorization request that its client sends itself, before the browser (RFC 9126)."""
    server, requests = call.get(ClientEndpoints), call.get(AuthorizationRequests)
    authorization = call.header("Authorization")
    try:
        client, key = server.proven_by(parameters, authorization, call.device, call.proof)
        secret = requests.push(parameters, client, key)
    except RefusedError as refused:
        return server.refused(refused.error, refused.description, basic=bool(authorization))
    return _json({"request_uri": f"{PUSHED_REQUEST}{secret}", "expires_in": int(PUSHED_LIVES.total_seconds())}, 201)


@endpoint(
    "POST /oauth/device_authorization",
    access=public,
    limit="device",
    parameters="body",
    rfc="invalid_request",
    returns=File,
    on=lambda settings: settings.oauth.pages,
    raises=(Unavailable,),
)
def begin_device(call: Call, parameters: Parameters) -> File:
    """Give a device the code that it polls with, and the code that its user enters on a page (RFC 8628)."""
    server, authorization = call.get(ClientEndpoints), call.header("Authorization")
    try:
        client = server.client_of(parameters, authorization, call.device)
        begun = call.get(DeviceFlow).begin(client, parameters)
    except RefusedError as refused:
        return server.refused(refused.error, refused.description, basic=bool(authorization))
    page = f"{call.settings.server.public_url}{DEVICE_PAGE}"
    return _json(
        {
            "device_code": begun.device_code,
            "user_code": begun.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={begun.user_code}",
            "expires_in": begun.expires_in,
            "interval": begun.pause,
        }
    )


@endpoint(
    "GET /oauth/userinfo",
    access=authenticated.by("session", "client"),
    rfc="invalid_request",
    origins="registered",
    returns=File,
    raises=(Forbidden, Unavailable),
)
def userinfo(call: CallBy[Principal]) -> File:
    """What the access token lets its client know of the user (OpenID Connect Core section 5.3)."""
    return _userinfo(call)


@endpoint(
    "POST /oauth/userinfo",
    access=authenticated.by("session", "client"),
    parameters="body",
    rfc="invalid_request",
    origins="registered",
    returns=File,
    raises=(Forbidden, Unavailable),
)
def userinfo_by_post(call: CallBy[Principal], _: Parameters) -> File:
    """The same; the token comes in its header here, too."""
    return _userinfo(call)


def _userinfo(call: CallBy[Principal]) -> File:
    principal = call.caller
    if principal.client_id is None:  # the user's own login
        return _json(claims_of(principal.user, {"profile", "email"}))
    scopes = scopes_in(call.access_token or "")
    if "openid" not in scopes:
        raise Forbidden("This needs an access token with the scope openid.", scope="openid")
    return _json(claims_of(principal.user, scopes))


def _json(content: dict[str, Any], status: int | None = None) -> File:
    return File(json.dumps(content).encode(), "application/json", status=status)
