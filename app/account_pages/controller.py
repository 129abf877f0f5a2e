"""The well-known documents."""

from __future__ import annotations

from app.account_pages.paths import PASSKEYS
from app.account_pages.views import PasskeyEndpoints, RelatedOrigins
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public

_HOUR = 3_600


@endpoint(
    "GET /.well-known/passkey-endpoints",
    access=public,
    operation="getPasskeyEndpoints",
    returns=PasskeyEndpoints,
    cache=_HOUR,
    any_origin=True,
)
def passkey_endpoints(call: Call) -> PasskeyEndpoints:
    """Where users add and manage their passkeys, for password managers that offer to."""
    page = f"{call.settings.server.public_url}{PASSKEYS}"
    return PasskeyEndpoints(enroll=page, manage=page)


@endpoint(
    "GET /.well-known/webauthn",
    access=public,
    operation="getRelatedOrigins",
    returns=RelatedOrigins,
    cache=_HOUR,
    any_origin=True,
)
def related_origins(call: Call) -> RelatedOrigins:
    """The origins of `PASSKEY_ORIGINS`, for browsers: a page of another site than `PASSKEY_RP_ID` may use its passkeys
    only if this document, served by that host, lists its origin. Android apps are listed elsewhere (Digital Asset
    Links).
    """
    origins = call.settings.passkeys.origins
    return RelatedOrigins(origins=[origin for origin in origins if origin.startswith("https://")])
