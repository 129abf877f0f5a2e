"""Signs statements that stay verifiable after their key was replaced: its public part is in the header."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from jwt import PyJWK
from jwt.api_jws import PyJWS

from app.audit.chain.checkpoints import SignedStatement, UnsignedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.keys.open_keys import OpenKeys

_ALGORITHMS = ("ES256", "EdDSA", "RS256")
"""Those with a public part. A header that brings a secret of its own would verify anything."""


@dataclass(frozen=True, slots=True)
class Statements:
    """Implements `app.audit.chain.checkpoints.StatementKeys`."""

    keys: OpenKeys

    def sign(self, claims: Mapping[str, Any], typ: str) -> str:
        """A JWS by the key that signs now, with its public part in the header (none for HS256, which has none)."""
        key = self.keys.signing_key()
        public = key.public_jwk()
        headers = {"typ": typ, "kid": key.kid} | ({} if public is None else {"jwk": public})
        return PyJWS().encode(json.dumps(claims).encode(), key.signing, algorithm=key.alg, headers=headers)

    def read(self, token: str, typ: str) -> SignedStatement:
        """What a token states, verified with the key of its kid if there is one, else with the one in its header.

        A token of an HS256 key that is gone cannot be verified; it is read all the same, as not published.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != typ:
                raise UnsignedError
            known = self.keys.key_by_kid(str(header.get("kid")))
            if known is not None:
                payload = PyJWS().decode(token, known.verifying, algorithms=[known.alg])
            elif header["alg"] == "HS256":
                payload = PyJWS().decode(token, options={"verify_signature": False})
            else:
                public = PyJWK(header["jwk"])
                payload = PyJWS().decode(token, public.key, algorithms=[_of_public(public.algorithm_name)])
            claims = json.loads(payload)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise UnsignedError from None
        return SignedStatement(claims, published=known is not None)


def _of_public(algorithm: str) -> str:
    if algorithm not in _ALGORITHMS:
        raise UnsignedError
    return algorithm
