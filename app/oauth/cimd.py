"""Clients that describe themselves: their `client_id` is the URL of a document (Client ID Metadata Document).

draft-ietf-oauth-client-id-metadata-document-00, which MCP pins. A document is
fetched for an authorization request alone: there it says where codes may go. The token endpoint fetches nothing, since
a code or a refresh token says which client it was given to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

import structlog

from app.config.oauth import includes_host
from app.oauth.client_documents.model import ClientDocument, InvalidDocumentError, id_of
from app.oauth.clients.model import Client
from app.oauth.refusal import RefusedError
from app.security.egress import SECONDS, EgressError, EgressRefusedError, EgressTooLargeError
from app.security.egress_urls import Url, read_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.oauth.client_documents.model import ClientDocuments, Read
    from app.platform.clock import Clock
    from app.security.egress import Egress, EgressReply
    from app.web.rates import Rates

AT_ONCE: Final = 4
"""Documents that a process fetches at a time."""
SHORTEST: Final = timedelta(minutes=5)
LONGEST: Final = timedelta(hours=24)
USUAL: Final = timedelta(hours=1)
"""How long a document is kept: as its Cache-Control says, within these; USUAL if that says nothing."""
OF_HOST: Final = 10
OF_ALL: Final = 60
"""Fetches in a minute: strangers can trigger them."""
_MINUTE: Final = 60
_TURNS: Final = 64
_LONGEST_URL: Final = 400
_LONGEST_NAME: Final = 100
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_JSON: Final = re.compile(r"application/(?:[a-z0-9!#$&^_.-]+\+)?json")
_MAX_AGE: Final = re.compile(r'max-age="?([0-9]{1,9})"?')
_DOTS: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_log = structlog.get_logger("latchkey.oauth")


def names_document(client_id: str) -> bool:
    """Whether this would be the URL of a document; any other `client_id` is a registered client's."""
    return client_id.startswith("https://")


@dataclass(frozen=True, slots=True)
class MetadataDocuments:
    """Finds clients by the documents that describe them, which `read` judges. `hosts` are those of CIMD_ALLOW."""

    documents: ClientDocuments
    read: Read
    egress: Egress
    rates: Rates
    clock: Clock
    hosts: tuple[str, ...]
    _turns: tuple[Lock, ...] = field(default_factory=lambda: tuple(Lock() for _ in range(_TURNS)))
    """Who waits for a turn finds what the one before has fetched. Which is whose, nobody outside can tell."""

    def admitted(self, client_id: str) -> Client | None:
        """The client with this URL, without what only its document says; None if it may not be one. Asks nobody."""
        try:
            return _bare(client_id, self._check(client_id), self.clock())
        except RefusedError:
            return None

    def described(self, client_id: str) -> Client:
        """The client with this URL, as its document describes it. Raises RefusedError, without a redirect."""
        url, now = self._check(client_id), self.clock()
        kept = self.documents.find(id_of(client_id), now)
        if kept is not None:
            return self._client(url, kept)
        turn = self._turns[hash(client_id) % _TURNS]
        if not turn.acquire(timeout=SECONDS):
            raise _too_many("Others wait for it already. Try again in some seconds.")
        try:
            kept = self.documents.find(id_of(client_id), now)
            return self._client(url, kept) if kept is not None else self._fetched(client_id, url)
        except RefusedError as refused:
            _log.info("client document refused", client_id=client_id, reason=refused.reason, detail=refused.detail)
            raise
        finally:
            turn.release()

    def _check(self, client_id: str) -> Url:
        """What can be told of a URL by itself."""
        if not self.hosts:
            raise _refused("cimd_off", "CIMD_ALLOW is off, so that no URL is a client.")
        try:
            url = read_document_url(client_id)
        except ValueError as error:
            raise _refused("cimd_invalid", f"The client_id {error}.") from None
        if not includes_host(self.hosts, url.host):
            raise _refused("cimd_off", f"CIMD_ALLOW does not name the host {url.host}.")
        return url

    def _fetched(self, client_id: str, url: Url) -> Client:
        """The client, whose document is fetched and kept. A failure is kept nowhere: the next request may succeed."""
        self._count(url.host)
        try:
            reply = self.egress.request("GET", client_id, headers={"Accept": "application/json"})
        except EgressTooLargeError as error:
            raise _refused("cimd_invalid", f"{_sentence(error)} A document has at most 5 KiB.") from None
        except EgressRefusedError as error:
            raise _refused("cimd_unreachable", f"The URL of the document {error}.") from None
        except EgressError as error:
            raise _refused("cimd_unreachable", _sentence(error)) from None
        now = self.clock()
        fetched = ClientDocument(id_of(client_id), client_id, _text(reply), now, now + kept_for(reply.headers))
        client = self._client(url, fetched)
        self.documents.keep(fetched)
        return client

    def _client(self, url: Url, kept: ClientDocument) -> Client:
        try:
            said = self.read(kept.url, kept.document.encode())
        except InvalidDocumentError as error:
            raise _refused("cimd_invalid", str(error)) from None
        return Client(
            id=kept.url,
            name=said.name or _name_of(url),
            kind="metadata",
            created_at=kept.fetched_at,
            redirect_uris=said.redirect_uris,
            post_logout_redirect_uris=said.post_logout_redirect_uris,
        )

    def _count(self, host: str) -> None:
        """Raises RefusedError if too many are fetched. That of the host goes first: one host cannot use up all."""
        for who, most in ((host, OF_HOST), ("", OF_ALL)):
            standing = self.rates.take("client document", who, most, _MINUTE)
            if not standing.allowed:
                whose = "of this host " if who else ""
                raise _too_many(f"Too many documents {whose}are being fetched. Try again in {standing.seconds} s.")


def read_document_url(client_id: str) -> Url:
    """The parts of a URL that may be a `client_id`; ValueError, whose text ends a sentence that begins with it.

    It is compared with others to the letter: so it is refused where it could be written otherwise.
    """
    if len(client_id) > _LONGEST_URL:
        raise ValueError(f"has to be at most {_LONGEST_URL} characters long")
    url = read_url(client_id)
    if url.scheme != "https":
        raise ValueError("has to begin with https://")
    if not client_id.startswith(f"https://{url.authority}/"):
        raise ValueError("has to have its host in lower case and no port that is the usual one, and a path behind it")
    if "?" in url.target:
        raise ValueError("has to come without a query")
    if url.target == "/" or _DOTS.search(url.target):
        raise ValueError("has to have a path of its own, without the segments . and ..")
    return url


def kept_for(headers: Mapping[str, str]) -> timedelta:
    """How long a reply with these headers is kept (RFC 9111 section 5.2.2), within our own limits."""
    directives = [each.strip().lower() for each in headers.get("cache-control", "").split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return SHORTEST
    found = next((match for each in directives if (match := _MAX_AGE.fullmatch(each))), None)
    return USUAL if found is None else min(max(timedelta(seconds=int(found[1])), SHORTEST), LONGEST)


def _text(reply: EgressReply) -> str:
    """The document in a reply."""
    if reply.status in _REDIRECTS:
        raise _refused("cimd_unreachable", f"Its server replied with {reply.status}, and no redirect is followed.")
    if reply.status != _OK:
        raise _refused("cimd_unreachable", f"Its server replied with {reply.status}.")
    if not _JSON.fullmatch(reply.headers.get("content-type", "").partition(";")[0].strip().lower()):
        raise _refused("cimd_invalid", "The document is not of the type application/json.")
    try:
        return reply.body.decode()
    except UnicodeDecodeError:
        raise _refused("cimd_invalid", "The document is not in UTF-8.") from None


def _bare(client_id: str, url: Url, now: datetime) -> Client:
    return Client(id=client_id, name=_name_of(url), kind="metadata", created_at=now)


def _name_of(url: Url) -> str:
    """The host: the end of it, which says whose it is, if it is long."""
    return url.host if len(url.host) <= _LONGEST_NAME else f"…{url.host[1 - _LONGEST_NAME :]}"


def _too_many(detail: str) -> RefusedError:
    told = "This client cannot be looked up at the moment. Try again in a minute."
    return RefusedError("temporarily_unavailable", told, "cimd_unreachable", detail)


def _sentence(error: EgressError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


_TOLD: Final = {
    "cimd_off": "There is no such client.",
    "cimd_unreachable": "The document that describes this client cannot be fetched.",
    "cimd_invalid": "The document that describes this client is not valid.",
}


def _refused(reason: str, detail: str) -> RefusedError:
    return RefusedError("invalid_client", _TOLD[reason], reason, detail)
