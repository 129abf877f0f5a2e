"""The documents of a provider: its metadata and its keys, fetched through the guard and kept for a while."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog

from app.platform import deadline
from app.platform.errors import Unavailable
from app.security.egress import EgressError, EgressReply
from app.security.key_sets import KEPT_FOR, KeySet
from app.social.provider import NotTrustedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import jwt

    from app.security.egress import Egress

SECONDS: Final = 5.0
"""For each request to a provider, if the request that it is for has that much left."""
MOST_BYTES: Final = 64 * 1024
"""Of each reply: some publish a dozen keys with their certificates."""
_TENANT: Final = "{tenantid}"
"""In the issuer that Microsoft publishes for several tenants."""
_OK: Final = 200
ALGORITHMS: Final = ("ES256", "RS256", "PS256", "EdDSA", "ES384", "RS384", "PS384", "ES512", "RS512", "PS512")
"""No HS256: that would make the client secret a signing key."""
_log = structlog.get_logger("latchkey.social")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a provider publishes of itself (OpenID Connect Discovery section 3), as far as it is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    auth_methods: tuple[str, ...]
    names_issuer: bool
    """Whether each of its answers says from whom it is (RFC 9207)."""


@dataclass(slots=True)
class _Kept:
    metadata: Metadata | None = None
    until: float = 0.0
    keys: KeySet = field(default_factory=KeySet)


@dataclass(slots=True)
class Documents:
    """Fetches the documents of providers. What it keeps is by issuer, for an hour, in this process."""

    egress: Egress
    clock: Callable[[], float] = time.monotonic
    """In seconds, from any beginning."""
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, issuer: str) -> Metadata:
        """The metadata of an issuer. Raises Unavailable, and NotTrustedError for a document that is not its own."""
        kept, now = self._of(issuer), self.clock()
        if kept.metadata is None or kept.until <= now:
            found = _metadata(self.json("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
            if found.issuer != issuer and _TENANT not in found.issuer:
                raise NotTrustedError("the metadata is that of another issuer")
            kept.metadata, kept.until = found, now + KEPT_FOR
        return kept.metadata

    def key(self, issuer: str, jwks_uri: str, key_id: str | None) -> jwt.PyJWK:
        """The key that a token names; a token that names none means the only one. Raises Unavailable and
        NotTrustedError."""
        found = self._of(issuer).keys.key(key_id, lambda: self.json("GET", jwks_uri), self.clock())
        if found is None:
            raise NotTrustedError("the ID token names no key that the provider publishes")
        return found

    def json(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The JSON object of a reply. Raises Unavailable for a server that does not answer, or fails; NotTrustedError
        for any other reply."""
        reply = self.send(method, url, body=body, headers=headers)
        if reply.status != _OK:
            raise NotTrustedError(f"the provider replied with status {reply.status}")
        found = parsed(reply)
        if not isinstance(found, dict):
            raise NotTrustedError("the provider replied with something else than a JSON object")
        return found

    def send(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> EgressReply:
        """The reply to one request. Raises Unavailable for a server that does not answer in time, or fails."""
        sent, left = {"Accept": "application/json", **(headers or {})}, deadline.remaining()
        seconds = SECONDS if left is None else min(SECONDS, left)
        if not seconds:
            raise Unavailable(_NO_ANSWER)
        try:
            reply = self.egress.request(method, url, body=body, headers=sent, seconds=seconds, most_bytes=MOST_BYTES)
        except EgressError as error:
            _log.warning("provider not reached", host=urlsplit(url).hostname, cause=str(error))
            raise Unavailable(_NO_ANSWER) from None
        if reply.status >= _FAILED or reply.status == _TOO_MANY:
            _log.warning("provider failed", host=urlsplit(url).hostname, status=reply.status)
            raise Unavailable(_NO_ANSWER)
        return reply

    def _of(self, issuer: str) -> _Kept:
        with self._lock:
            return self._kept.setdefault(issuer, _Kept())


_FAILED: Final = 500
_TOO_MANY: Final = 429
_NO_ANSWER: Final = "The provider does not answer at the moment."


def parsed(reply: EgressReply) -> Any:  # noqa: ANN401 - any JSON
    """The JSON of a reply. Raises NotTrustedError."""
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        raise NotTrustedError("the provider replied with something else than JSON") from None


def _metadata(found: Mapping[str, Any]) -> Metadata:
    methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Metadata(
        issuer=_text(found, "issuer"),
        authorization_endpoint=_url(found, "authorization_endpoint"),
        token_endpoint=_url(found, "token_endpoint"),
        jwks_uri=_url(found, "jwks_uri"),
        userinfo_endpoint=_url(found, "userinfo_endpoint") if "userinfo_endpoint" in found else None,
        auth_methods=tuple(each for each in methods if isinstance(each, str)) if isinstance(methods, list) else (),
        names_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise NotTrustedError(f"the metadata of the provider has no {name}")
    return value


def _url(found: Mapping[str, Any], name: str) -> str:
    value = _text(found, name)
    try:
        parts = urlsplit(value)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        scheme, host = "", None
    if scheme not in {"https", "http"} or not host or not value.isascii() or not value.isprintable() or " " in value:
        raise NotTrustedError(f"the metadata of the provider has no address in {name}")
    return value
