"""What a provider is asked for: its metadata and its keys, which are kept for a while, tokens, and who somebody is."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog

from app.platform.errors import Unavailable
from app.security.published import UnansweredError, WrongReplyError, answer_of, json_in, metadata_url, object_in
from app.social.provider import NotTrustedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.security.egress import EgressReply
    from app.security.key_sets import PublicKey
    from app.security.published import PublishedDocuments

SECONDS: Final = 5.0
"""For each request to a provider."""
TENANT: Final = "{tenantid}"
"""In the issuer that Microsoft publishes for several tenants."""
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


@dataclass(frozen=True, slots=True)
class Documents:
    """Asks providers. Every method raises Unavailable for a server that does not answer, or fails, and NotTrustedError
    for one that answers with something else than it should."""

    published: PublishedDocuments

    def of(self, issuer: str) -> Metadata:
        """The metadata of an issuer, if they are its own."""
        url = metadata_url(issuer)
        with _told(url):
            return self.published.read(url, partial(_metadata, issuer))

    def key(self, jwks_uri: str, key_id: str | None) -> PublicKey:
        """The key that a token names; a token that names none means the only one."""
        with _told(jwks_uri):
            found = self.published.key(jwks_uri, key_id)
        if found is None:
            raise NotTrustedError("the ID token names no key that the provider publishes")
        return found

    def json(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The JSON object of a reply."""
        reply = self.send(method, url, body=body, headers=headers)
        with _told(url):
            return object_in(reply)

    def send(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> EgressReply:
        """The reply to one request, whatever its status."""
        with _told(url):
            return answer_of(self.published.egress, method, url, seconds=SECONDS, body=body, headers=headers)


@contextmanager
def _told(url: str) -> Iterator[None]:
    """What went wrong at the server of this URL, in the words of a login."""
    try:
        yield
    except UnansweredError as error:
        _log.warning("provider not reached", host=urlsplit(url).hostname, cause=str(error))
        raise Unavailable("The provider does not answer at the moment.") from None
    except WrongReplyError as error:
        raise NotTrustedError(f"the provider {error}") from None


def parsed(reply: EgressReply) -> Any:  # noqa: ANN401 - any JSON
    """The JSON of a reply. Raises NotTrustedError."""
    try:
        return json_in(reply)
    except WrongReplyError as error:
        raise NotTrustedError(f"the provider {error}") from None


def _metadata(issuer: str, found: Mapping[str, Any]) -> Metadata:
    """Raises WrongReplyError for those that do not belong to this issuer."""
    published = _text(found, "issuer")
    if published != issuer and TENANT not in published:
        raise WrongReplyError("published metadata of another issuer")
    methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Metadata(
        issuer=published,
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
        raise WrongReplyError(f"published metadata without {name}")
    return value


def _url(found: Mapping[str, Any], name: str) -> str:
    value = _text(found, name)
    try:
        parts = urlsplit(value)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        scheme, host = "", None
    if scheme not in {"https", "http"} or not host or not value.isascii() or not value.isprintable() or " " in value:
        raise WrongReplyError(f"published metadata without an address in {name}")
    return value
