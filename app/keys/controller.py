"""The keys that verify access tokens."""

from __future__ import annotations

from app.keys.service import JWKS_MAX_AGE, KeyService
from app.keys.views import KeySet
from app.platform.errors import Unavailable
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public


@endpoint(
    "GET /.well-known/jwks.json",
    access=public,
    operation="getJwks",
    returns=KeySet,
    cache=JWKS_MAX_AGE,
    any_origin=True,
    media_type="application/jwk-set+json",
    raises=(Unavailable,),
)
def jwks(call: Call) -> KeySet:
    """The public keys (RFC 7517) with which other services verify access tokens. Empty with HS256, which has none."""
    return KeySet.model_validate(call.get(KeyService).jwks())
