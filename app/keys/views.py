"""Public keys as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.web.view import BareView

_EXAMPLE = {
    "kid": "5Om_FZ8kqHyoLqBE",
    "use": "sig",
    "alg": "ES256",
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
"""The public key of RFC 7515 appendix A.3.1, in the form that this service publishes."""


class KeySet(BareView):
    """A JWK set, RFC 7517 section 5."""

    keys: list[dict[str, Any]] = Field(examples=[[_EXAMPLE]])
