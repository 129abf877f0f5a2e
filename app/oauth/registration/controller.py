"""Clients that register themselves, and the tokens that let them."""

from __future__ import annotations

from app.accounts.principal import Principal
from app.oauth.clients.permissions import WRITE
from app.oauth.registration.inputs import CreateRegistrationToken, RegisterClient
from app.oauth.registration.service import RegistrationService
from app.oauth.registration.views import Registered, RegistrationTokenData
from app.platform.errors import (
    Forbidden,
    InvalidToken,
    MissingToken,
    ReauthenticationRequired,
    SessionEnded,
    Unavailable,
    ValidationFailed,
)
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.guard import permission, public
from app.web.rfc_errors import OF_METADATA


@endpoint(
    "POST /admin/registration-tokens",
    access=permission(WRITE),
    operation="createRegistrationToken",
    body=CreateRegistrationToken,
    returns=RegistrationTokenData,
    status=201,
    message="Token created: this reply is the only one that shows it",
    raises=(Forbidden, SessionEnded, ReauthenticationRequired, ValidationFailed),
)
def create_registration_token(call: CallBy[Principal], body: CreateRegistrationToken) -> RegistrationTokenData:
    """Create an initial access token: clients register themselves with it at `POST /oauth/register` (RFC 7591).

    They are never of the first party. This needs a login within the last REAUTH_SECONDS.
    """
    call.require_fresh_login()
    made = call.get(RegistrationService).create_token(body.expires_in_days, body.uses, call.caller, call.device)
    return RegistrationTokenData(token=made.text, expires_at=made.token.expires_at, uses=made.token.uses_left)


@endpoint(
    "POST /oauth/register",
    access=public,
    body=RegisterClient,
    returns=Registered,
    status=201,
    limit="register-client",
    rfc=OF_METADATA,
    raises=(MissingToken, InvalidToken, Unavailable),
)
def register(call: Call, body: RegisterClient) -> Registered:
    """Register the client that describes itself (RFC 7591), with an initial access token as its bearer token."""
    return Registered.of(call.get(RegistrationService).register(body.said, call.bearer), body)
