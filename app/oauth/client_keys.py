"""The keys of clients that prove by a signature who they are, and of the platforms that run them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog

from app.platform.errors import Unavailable
from app.security.key_sets import named, signing_keys
from app.security.published import RefusedUrlError, UnansweredError, WrongReplyError, metadata_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.security.key_sets import PublicKey
    from app.security.published import PublishedDocuments

AT_ONCE: Final = 4
"""Requests for keys that run at once."""
_log = structlog.get_logger("latchkey.oauth")


class NoKeysError(Exception):
    """What is published holds no keys. The text says why."""


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """Finds the keys at the addresses that clients and issuers name."""

    documents: PublishedDocuments

    def at(self, jwks_uri: str, key_id: str | None) -> PublicKey | None:
        """The key of this `kid` in the key set at an address; without one, the only one that there is.

        Raises Unavailable if its server does not answer, and NoKeysError for what is no key set.
        """
        with _told(jwks_uri):
            return self.documents.key(jwks_uri, key_id)

    def of_issuer(self, issuer: str, key_id: str | None) -> PublicKey | None:
        """The same for the keys of an issuer, whose metadata (OpenID Connect Discovery) says where they are."""
        url = metadata_url(issuer)
        with _told(url):
            jwks_uri = self.documents.read(url, partial(_jwks_uri, issuer))
        return self.at(jwks_uri, key_id)


def _jwks_uri(issuer: str, found: Mapping[str, Any]) -> str:
    """What the metadata of this issuer say. Raises WrongReplyError for those of another one."""
    if found.get("issuer") != issuer:
        raise WrongReplyError("published metadata of another issuer")
    jwks_uri = found.get("jwks_uri")
    if not isinstance(jwks_uri, str):
        raise WrongReplyError("published metadata without jwks_uri")
    return jwks_uri


@contextmanager
def _told(url: str) -> Iterator[None]:
    """What went wrong at the server of this URL, in the words of a token request."""
    try:
        yield
    except RefusedUrlError as error:
        raise NoKeysError(f"The URL of the keys {error}.") from None
    except UnansweredError as error:
        _log.warning("keys of a client not reached", host=urlsplit(url).hostname, cause=str(error))
        raise Unavailable("The keys of the client cannot be fetched at the moment.") from None
    except WrongReplyError as error:
        raise NoKeysError(f"The server of the keys {error}.") from None


def registered_key(jwks: str, key_id: str | None) -> PublicKey | None:
    """The key of this `kid` among those that were registered with a client, as JSON."""
    return named(signing_keys(json.loads(jwks)), key_id)
