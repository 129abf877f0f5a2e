"""Tokens that the service did not make: genuine ones, altered, and signed with any key."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from jwt import get_algorithm_by_name

from app.keys.keyring import SigningKey
from app.keys.service import KeyService
from tests.api.service import Service

GONE: Any = ...
"""Stands for a header or claim that is removed."""


def read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims of a token, unverified."""
    header, claims, _ = token.split(".")
    return _object(header), _object(claims)


def genuine_key(service: Service) -> SigningKey:
    """The key with which the service signs."""
    return service.wired.get(KeyService).signing_key()


def altered(
    service: Service, token: str, *, header: Mapping[str, Any] | None = None, claims: Mapping[str, Any] | None = None
) -> str:
    """The token with other headers and claims, properly signed with the key of the service."""
    old_header, old_claims = read(token)
    key = genuine_key(service)
    return signed(_merged(old_header, header), _merged(old_claims, claims), key.signing, key.alg)


def signed(header: Mapping[str, Any], claims: object, key: Any, alg: str) -> str:
    """A JWS in compact form (RFC 7515), whatever its header says."""
    message = f"{encoded(json.dumps(header))}.{encoded(json.dumps(claims))}"
    algorithm = get_algorithm_by_name(alg)
    return f"{message}.{encoded(algorithm.sign(message.encode(), algorithm.prepare_key(key)))}"


def encoded(data: str | bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data.encode() if isinstance(data, str) else data).decode().rstrip("=")


def _merged(old: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (dict(old) | dict(changes or {})).items() if value is not GONE}


def _object(part: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=="))
    return value
