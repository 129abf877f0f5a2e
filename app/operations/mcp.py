"""What an MCP client would stumble over at a server whose users log in here, for `flask doctor --mcp URL`.

The server is asked as a client asks it (MCP 2026-07-28, basic/authorization; RFC 9728), but by the guard for addresses
that others name, and without a token.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

from app.config.values import is_loopback
from app.oauth.catalogue.service import Catalogue
from app.oauth.discovery.service import AUTHORIZE, Discovery
from app.oauth.parameters import STANDARD_SCOPES
from app.platform.errors import MalformedJson, Unavailable
from app.platform.log import reason_of
from app.platform.strict_json import parse_json
from app.platform.uris import as_written
from app.security.egress import Egress, EgressError, EgressRefusedError
from app.sessions.granted import OFFLINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.cli.common import Application
    from app.oauth.catalogue.model import Resource
    from app.oauth.catalogue.service import CatalogueOf
    from app.security.egress import EgressReply

    Finding: TypeAlias = tuple[str, str, str]
    """Severity (ok, note, warning, error), what was looked at, and what is wrong with it and its remedy."""

_SECONDS: Final = 5.0
_MOST_BYTES: Final = 64 * 1024
_LONGEST: Final = 200
"""Characters of what the server sent that are shown."""
_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_SERVER_METADATA: Final = "/.well-known/oauth-authorization-server"
_OPENID: Final = "/.well-known/openid-configuration"
_OK, _UNAUTHORIZED, _NOT_FOUND = 200, 401, 404
_REDIRECTS: Final = range(300, 400)
_NO_SLASH: Final = "take the slash away (if pydantic's AnyHttpUrl appended it: give the package a string)"
_INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "flask doctor", "version": "1"},
    },
}
_PARAMETER: Final = re.compile(r'\b(resource_metadata|scope)=(?:"([^"]*)"|([^\s,"]+))')


def is_url(text: str) -> bool:
    """Whether this can be the address of an MCP server."""
    try:
        parts = urlsplit(text)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port_is_one and not parts.fragment


def look_at(application: Application, url: str) -> Iterator[Finding]:
    """What is found at the MCP server at `url`, one finding a check at least, in the order in which clients go on."""
    discovery = application.find(Discovery)
    if discovery is None:
        yield "error", "latchkey", "OAUTH is off here: no client can log anybody in"
        return
    try:
        catalogue, says = application.get(Catalogue).load(), json.loads(json.dumps(discovery.server()))
    except Unavailable as error:
        yield "error", "store", f"{application.store.common_name} does not answer: {reason_of(error)}"
        return
    visit = _Visit(application.get(Egress), url, discovery, says, catalogue)
    for name, check in (
        ("server", visit.server),
        ("challenge", visit.challenge),
        ("metadata", visit.metadata),
        ("resource", visit.resource),
        ("authorization server", visit.authorization_server),
        ("discovery", visit.discovered),
        ("clients", visit.clients),
        ("scopes", visit.scopes),
        ("token", visit.bad_token),
    ):
        found = list(check())
        for severity, text in found or [("ok", "")]:
            yield severity, name, text
        if visit.ends:
            return


@dataclass
class _Visit:
    """One look at a server; each check leaves behind what later ones need."""

    egress: Egress
    url: str
    ours: Discovery
    says: Mapping[str, Any]
    """What discovery says of this service."""
    catalogue: CatalogueOf
    ends: bool = False
    """Whether the checks that are left have nothing to look at."""
    _reply: EgressReply | None = None
    _told: Mapping[str, str] | None = None
    """The parameters of the challenge."""
    _described: Mapping[str, Any] | None = None
    """The metadata of the resource."""

    def server(self) -> Iterator[tuple[str, str]]:
        """Whether it answers at all."""
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            yield "error", "it is not https: clients refuse that but on loopback"
        try:
            self._reply = self._asked()
        except EgressError as error:
            self.ends = True
            yield "error", self._unreachable(self.url, error)
            return
        if self._reply.status in _REDIRECTS:
            self.ends = True
            target = _shown(self._reply.headers.get("location", ""))
            yield "error", f"it redirects to {target}: name that address to clients, and here"
        elif self._reply.status != _UNAUTHORIZED:
            self.ends = True
            yield "error", f"without a token it answers {self._reply.status}: 401 is what makes clients log in"

    def challenge(self) -> Iterator[tuple[str, str]]:
        """The WWW-Authenticate of the 401 (RFC 9728 section 5.1)."""
        header = "" if self._reply is None else self._reply.headers.get("www-authenticate", "")
        self._told = {name: quoted or bare for name, quoted, bare in _PARAMETER.findall(header)}
        if not header.lower().startswith("bearer"):
            yield "error", "the 401 has no WWW-Authenticate that begins with Bearer"
            return
        if "resource_metadata" not in self._told:
            address = self._inserted(self.url)
            yield "warning", f'resource_metadata is missing, which some clients need: add resource_metadata="{address}"'
        if "scope" not in self._told:
            yield "note", "it names no scope: clients ask for the scopes_supported of its metadata"

    def metadata(self) -> Iterator[tuple[str, str]]:
        """Its description, at the address that it tells, and at the well-known one (RFC 9728 section 3.1)."""
        well_known = self._inserted(self.url)
        told = (self._told or {}).get("resource_metadata", well_known)
        found = dict.fromkeys((told, well_known))
        for address in found:
            try:
                found[address] = self._document(address)
            except _UnreadableError as error:
                is_told = address == told
                remedy = "" if is_told else ": serve it there, too, for clients that do not read the challenge"
                yield "error" if is_told else "warning", f"{_shown(address)} {error}{remedy}"
        self._described = found[told] or found[well_known]
        if self._described is None:
            self.ends = True
        elif found[told] and found[well_known] and found[told] != found[well_known]:
            yield "error", f"{_shown(told)} and {well_known} differ: serve one document at both"

    def resource(self) -> Iterator[tuple[str, str]]:
        """`resource`, which clients ask a token for: its own address, and registered here."""
        told = (self._described or {}).get("resource")
        if not isinstance(told, str):
            yield "error", f"resource is missing in its metadata: it has to be {self.url}"
            return
        if told != self.url:
            severity, consequence = self._other_resource(told)
            yield severity, f"resource is {_shown(told)}, not {self.url}: {consequence}"
        registered = as_written(told, self.catalogue.resources)
        if told == self.ours.audience:
            yield "warning", f"{told} is this service itself: who gets a token for it can use it here, too"
        elif registered is None:
            yield "error", f"{_shown(told)} is no resource here (invalid_target): add it at /admin/resources"
        elif registered != told:
            yield "warning", f"it is registered as {registered}, the aud of its tokens: it has to accept that"

    def authorization_server(self) -> Iterator[tuple[str, str]]:
        """`authorization_servers`: this one, first, to the letter."""
        servers = (self._described or {}).get("authorization_servers")
        issuer = self.ours.issuer
        if not isinstance(servers, list) or not servers:
            yield "error", f"authorization_servers is missing in its metadata: it has to be [{json.dumps(issuer)}]"
        elif issuer not in servers:
            if f"{issuer}/" in servers:
                yield "error", f"authorization_servers has {issuer}/, but clients compare to the letter: {_NO_SLASH}"
            else:
                yield "error", f"authorization_servers is {_shown(json.dumps(servers))}, without {issuer}"
        elif servers[0] != issuer:
            yield "warning", f"{issuer} is not the first of authorization_servers: most clients take the first"

    def discovered(self) -> Iterator[tuple[str, str]]:
        """What clients read about this service, at both addresses, as they are reached from here."""
        issuer, path = self.ours.issuer, urlsplit(self.ours.issuer).path
        root = issuer.removesuffix(path)
        addresses = (f"{root}{_SERVER_METADATA}{path}", f"{issuer}{_OPENID}")
        for address in addresses:
            try:
                found = self._document(address)
            except _UnreadableError as error:
                yield "warning" if error.is_refused else "error", f"{address} {error}"
                continue
            if found.get("issuer") != issuer:
                yield "error", f"the issuer in {address} is {_shown(str(found.get('issuer')))}, not {issuer}"
            elif found != self.says:
                yield "warning", f"{address} differs from these settings: restart the service, or look at its proxy"

    def clients(self) -> Iterator[tuple[str, str]]:
        """How clients can identify themselves, log users in and stay logged in."""
        if AUTHORIZE not in self.ours.paths:
            yield "error", "PAGES is off here: nobody can log in"
        if "S256" not in self.says["code_challenge_methods_supported"]:
            yield "error", "S256 is not offered, without which clients go no further"
        if "none" not in self.says["token_endpoint_auth_methods_supported"]:
            yield "error", "clients without a secret are not offered"
        if not self.says["client_id_metadata_document_supported"]:
            yield "note", "CIMD_ALLOW is off: clients need an id of flask clients create, or an initial token"

    def scopes(self) -> Iterator[tuple[str, str]]:
        """The scopes that clients will ask for: known here, and those of the resource."""
        told = (self._told or {}).get("scope", "").split()
        supported = (self._described or {}).get("scopes_supported")
        if supported is not None and not _is_list_of_text(supported):
            yield "error", "scopes_supported in its metadata has to be a list of strings"
            supported = None
        asked = dict.fromkeys([*told, *(supported or ())])
        if not asked:
            yield "note", "it names no scope: clients ask for all there are, and get those of its resource"
        elif OFFLINE not in asked:
            yield (
                "note",
                f"it does not name {OFFLINE}: older clients get no refresh token, and soon ask their users again",
            )
        uri = as_written(str((self._described or {}).get("resource")), self.catalogue.resources)
        resource = None if uri is None else self.catalogue.resources[uri]
        for scope in asked:
            if scope not in self.catalogue.scopes:
                yield "error", f"{_shown(scope)} is no scope here (invalid_scope): add it at /admin/scopes"
            elif resource is not None and scope not in (*STANDARD_SCOPES, *(resource.scopes or ())):
                yield _unlisted(scope, resource)

    def bad_token(self) -> Iterator[tuple[str, str]]:
        """A token that nobody issued has to be refused with 401, or clients never refresh."""
        try:
            status = self._asked({"Authorization": "Bearer nonsense"}).status
        except EgressError as error:
            yield "error", self._unreachable(self.url, error)
            return
        if status != _UNAUTHORIZED:
            yield "error", f"a token that nobody issued is answered with {status}: 401 is what makes clients refresh"

    def _asked(self, headers: Mapping[str, str] | None = None) -> EgressReply:
        sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        body = json.dumps(_INITIALIZE).encode()
        return self.egress.request(
            "POST", self.url, body=body, headers=sent | dict(headers or {}), seconds=_SECONDS, most_bytes=_MOST_BYTES
        )

    def _document(self, address: str) -> dict[str, Any]:
        """The JSON object at this address. Raises _UnreadableError."""
        try:
            reply = self.egress.request("GET", address, seconds=_SECONDS, most_bytes=_MOST_BYTES)
        except EgressError as error:
            is_refused = isinstance(error, EgressRefusedError)
            raise _UnreadableError(self._unreachable("", error).strip(), is_refused=is_refused) from None
        if reply.status != _OK:
            raise _UnreadableError(f"answers {reply.status}")
        try:
            found = parse_json(reply.body)
        except MalformedJson:
            raise _UnreadableError("is no JSON") from None
        if not isinstance(found, dict):
            raise _UnreadableError("is no JSON object")
        if "json" not in reply.headers.get("content-type", ""):
            raise _UnreadableError("is not sent as application/json")
        return found

    def _unreachable(self, url: str, error: EgressError) -> str:
        if not isinstance(error, EgressRefusedError):
            return f"{url} cannot be reached: {error}"
        return f"{url} {error}: if it is in your own network, name its address in EGRESS_ALLOW for this command"

    def _inserted(self, url: str) -> str:
        """Where the metadata of a resource are (RFC 9728 section 3.1): the path comes behind the well-known one."""
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        path = "" if parts.path == "/" else parts.path
        return f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{path}{query}"

    def _other_resource(self, told: str) -> tuple[str, str]:
        """How much it matters that `resource` is another address than the one asked."""
        if as_written(told, [self.url]) is not None:
            return "note", "the same to clients"
        ours = urlsplit(self.url)
        try:
            theirs = urlsplit(told)
        except ValueError:
            return "error", "clients refuse it"
        if (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc):
            if ours.path.rstrip("/") == theirs.path.rstrip("/"):
                return "warning", "strict clients compare to the letter, the slash too"
            if ours.path.startswith(f"{theirs.path.rstrip('/')}/"):
                return "warning", "strict clients refuse it, and its tokens are good for all below it"
        return "error", "clients refuse it"


class _UnreadableError(Exception):
    """There is no such document. The text goes on after its address."""

    def __init__(self, text: str, *, is_refused: bool = False) -> None:
        super().__init__(text)
        self.is_refused = is_refused


def _unlisted(scope: str, resource: Resource) -> tuple[str, str]:
    """What a scope means that the resource does not list."""
    if resource.scopes is None:
        return "warning", f"{resource.uri} lists no scopes: clients that register themselves cannot ask for {scope}"
    return "error", f"{scope} is none of the scopes of {resource.uri} (invalid_scope): add it there"


def _is_list_of_text(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(each, str) for each in found)


def _shown(text: str) -> str:
    """What the server sent, fit for a terminal."""
    kept = "".join(letter if letter.isprintable() else "?" for letter in text)
    return kept if len(kept) <= _LONGEST else f"{kept[:_LONGEST]}..."
