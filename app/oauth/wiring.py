"""Builds the parts of the authorization server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from app.accounts.model import Users
from app.accounts.service import Accounts
from app.audit.service import Audit
from app.keys.service import KeyService
from app.oauth.assertions import Assertions
from app.oauth.authorization import Authorizations
from app.oauth.catalogue.model import CatalogueBooks
from app.oauth.catalogue.service import Catalogue
from app.oauth.cimd import AT_ONCE as FETCHED_AT_ONCE
from app.oauth.cimd import MetadataDocuments
from app.oauth.client_documents.inputs import read_document
from app.oauth.client_documents.model import ClientDocuments
from app.oauth.client_keys import AT_ONCE as KEYS_AT_ONCE
from app.oauth.client_keys import PublishedKeys
from app.oauth.client_names import RegisteredNames
from app.oauth.client_origins import ClientOrigins
from app.oauth.clients.model import Clients
from app.oauth.clients.service import ClientService
from app.oauth.codes.model import Codes
from app.oauth.consents.model import Consents
from app.oauth.consents.service import ConsentService
from app.oauth.device_codes.model import DeviceCodes
from app.oauth.devices import DeviceFlow
from app.oauth.discovery.service import AUTHENTICATED, Discovery
from app.oauth.exchange import Exchanges
from app.oauth.explain.service import ExplainRequests
from app.oauth.id_tokens import IdTokens
from app.oauth.logout.backchannel import BackchannelLogout, Listeners, LogoutPublisher
from app.oauth.logout.service import RequestedLogouts
from app.oauth.logout.teller import AT_ONCE
from app.oauth.logout_notices.model import LogoutNotices
from app.oauth.parts import ClientEndpoints
from app.oauth.registration.model import RegistrationTokens
from app.oauth.registration.service import RegistrationService
from app.oauth.registry import ClientRegistry
from app.oauth.requests.model import StoredRequests
from app.oauth.requests.service import AuthorizationRequests
from app.oauth.revoked_tokens.model import RevokedTokens
from app.oauth.services import TokenServices
from app.oauth.tokens import IssuedTokens
from app.platform import pieces
from app.roles.authority import Authority
from app.security.bounded_calls import BoundedCalls
from app.security.dpop import Proofs
from app.security.egress import SECONDS, Egress
from app.security.published import PublishedDocuments
from app.security.secret_keys import SecretKeys
from app.sessions.access_tokens import AccessTokens
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.gate import LoginGate
from app.sessions.live import LiveSessions
from app.sessions.model import ClientNames, Sessions
from app.sessions.refresh import RefreshService
from app.sessions.service import SessionService
from app.web.endpoint import served
from app.web.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.feature import Eraser
    from app.platform.container import Container, Factory
    from app.web.endpoint import Endpoint


def _requests(parts: Container) -> AuthorizationRequests:
    return AuthorizationRequests(
        registry=parts.get(ClientRegistry),
        catalogue=parts.get(Catalogue),
        kept=parts.get(StoredRequests),
        id_tokens=parts.get(IdTokens),
        clock=parts.clock,
        issuer=parts.settings.server.public_url,
        audience=parts.settings.tokens.jwt_audience,
    )


def _authorizations(parts: Container) -> Authorizations:
    return Authorizations(
        requests=parts.get(AuthorizationRequests),
        codes=parts.get(Codes),
        consents=parts.get(ConsentService),
        users=parts.get(Users),
        live=parts.get(LiveSessions),
        gate=parts.get(LoginGate),
        clock=parts.clock,
        issuer=parts.settings.server.public_url,
        code_seconds=parts.settings.oauth.code_seconds,
    )


def _token_services(parts: Container) -> TokenServices:
    return TokenServices(
        registry=parts.get(ClientRegistry),
        catalogue=parts.get(Catalogue),
        codes=parts.get(Codes),
        device_codes=parts.get(DeviceCodes),
        consents=parts.get(ConsentService),
        users=parts.get(Users),
        live=parts.get(LiveSessions),
        gate=parts.get(LoginGate),
        sessions=parts.get(SessionService),
        refreshes=parts.get(RefreshService),
        access_tokens=parts.get(AccessTokens),
        id_tokens=parts.get(IdTokens),
        exchanges=parts.get(Exchanges),
        assertions=parts.get(Assertions),
        clock=parts.clock,
        observer=parts.observer,
        audience=parts.settings.tokens.jwt_audience,
        proofs=parts.get(Proofs),
    )


def _server(parts: Container) -> ClientEndpoints | None:
    """The server, with its grants; None, and Authlib is not loaded, with `OAUTH=off`."""
    if not parts.settings.oauth.on:
        return None
    from app.oauth.grants.code import CodeGrant
    from app.oauth.grants.device import DeviceGrant
    from app.oauth.grants.exchange import ExchangeGrant
    from app.oauth.grants.refresh import RefreshGrant
    from app.oauth.grants.service import ServiceGrant
    from app.oauth.introspection import Introspection
    from app.oauth.revocation import Revocation
    from app.oauth.server import OAuthServer

    server, tokens = OAuthServer(parts.get(TokenServices)), parts.get(IssuedTokens)
    server.register_endpoint(Revocation(server, tokens))
    server.register_endpoint(Introspection(server, tokens))
    of_pages = (CodeGrant, DeviceGrant) if parts.settings.oauth.pages else ()
    for grant in (*of_pages, RefreshGrant, ServiceGrant, ExchangeGrant):
        server.register_grant(grant)
    return server


def _tokens(parts: Container) -> IssuedTokens:
    return IssuedTokens(
        parts.get(AccessTokens),
        parts.get(SessionService),
        parts.get(RefreshService),
        parts.get(AccessTokenAuthenticator),
        parts.get(ClientRegistry),
        parts.get(RevokedTokens),
        parts.settings.server.public_url,
        parts.settings.tokens.jwt_audience,
    )


def _assertions(parts: Container) -> Assertions:
    issuer = parts.settings.server.public_url
    # With places of its own: anybody can send what has a client's keys fetched.
    egress = replace(parts.get(Egress), calls=BoundedCalls("client keys", KEYS_AT_ONCE))
    return Assertions(
        parts.get(ClientRegistry),
        PublishedKeys(PublishedDocuments(egress, SECONDS)),
        parts.get(RevokedTokens),
        parts.clock,
        issuer,
        tuple(f"{issuer}{path}" for path in AUTHENTICATED),
    )


def _exchanges(parts: Container) -> Exchanges:
    return Exchanges(
        parts.get(IssuedTokens),
        parts.get(AccessTokens),
        parts.get(Catalogue),
        parts.get(Audit),
        parts.clock,
        parts.settings.tokens.jwt_audience,
    )


def _explain(parts: Container) -> ExplainRequests | None:
    server = parts.find(ClientEndpoints)
    if server is None:
        return None
    return ExplainRequests(parts.get(AuthorizationRequests), parts.get(TokenServices), server.grant_types)


def discovery(parts: Container, endpoints: Iterable[Endpoint]) -> Discovery | None:
    """The documents, by which of these endpoints the settings serve; None with `OAUTH=off`."""
    server = parts.find(ClientEndpoints)
    if server is None:
        return None
    return Discovery(
        catalogue=parts.get(Catalogue),
        issuer=parts.settings.server.public_url,
        audience=parts.settings.tokens.jwt_audience,
        algorithm=parts.settings.tokens.jwt_algorithm,
        paths=frozenset({declared.path for declared in served(endpoints, parts.settings)}),
        grant_types=server.grant_types,
        fetches_metadata=parts.settings.oauth.pages and bool(parts.settings.oauth.cimd_allow),
    )


def _logouts(parts: Container) -> RequestedLogouts:
    return RequestedLogouts(
        parts.get(ClientRegistry),
        parts.get(IdTokens),
        parts.get(Sessions),
        parts.get(SessionService),
        parts.clock,
    )


def listeners(parts: Container) -> LogoutPublisher | None:
    """What leaves word of the sessions that are about to end; None with `OAUTH=off`."""
    if not parts.settings.oauth.on:
        return None
    return LogoutPublisher(Listeners(parts.get(Clients), parts.clock), parts.get(Sessions), parts.clock)


def _backchannel(parts: Container) -> BackchannelLogout:
    return BackchannelLogout(
        parts.get(LogoutNotices),
        parts.get(Sessions),
        parts.get(ClientRegistry),
        parts.get(KeyService),
        # With places of their own: slow clients hold up nothing else.
        replace(parts.get(Egress), calls=BoundedCalls("logouts", AT_ONCE)),
        parts.clock,
        parts.settings.server.public_url,
    )


def _documents(parts: Container) -> MetadataDocuments:
    return MetadataDocuments(
        parts.get(ClientDocuments),
        read_document,
        # With places of their own: strangers can name slow servers.
        replace(parts.get(Egress), calls=BoundedCalls("client documents", FETCHED_AT_ONCE)),
        parts.get(Rates),
        parts.clock,
        parts.settings.oauth.cimd_allow,
    )


def _consents(parts: Container) -> ConsentService:
    return ConsentService(parts.get(Consents), parts.get(SessionService), parts.get(Accounts))


def _clients(parts: Container) -> ClientService:
    return ClientService(
        parts.get(Clients),
        parts.get(Catalogue),
        parts.get(Authority),
        parts.get(Audit),
        parts.get(Egress),
        parts.clock,
        sessions_end=parts.get(BackchannelLogout).end_some_of_client,
        consents_end=parts.get(Consents).remove_some_of_client,
        documents=parts.get(ClientDocuments),
        audience=parts.settings.tokens.jwt_audience,
    )


def _registration(parts: Container) -> RegistrationService:
    return RegistrationService(
        parts.get(RegistrationTokens), parts.get(ClientService), parts.get(Authority), parts.get(Audit), parts.clock
    )


def _devices(parts: Container) -> DeviceFlow:
    return DeviceFlow(
        codes=parts.get(DeviceCodes),
        registry=parts.get(ClientRegistry),
        catalogue=parts.get(Catalogue),
        consents=parts.get(ConsentService),
        users=parts.get(Users),
        live=parts.get(LiveSessions),
        gate=parts.get(LoginGate),
        secrets=parts.get(SecretKeys),
        clock=parts.clock,
        audience=parts.settings.tokens.jwt_audience,
        seconds=parts.settings.oauth.device_code_seconds,
    )


def eraser(parts: Container) -> Eraser:
    """Erases what a user let clients have, what they approved, and the codes that they gave."""
    consents, devices, codes = parts.get(ConsentService), parts.get(DeviceFlow), parts.get(Codes)

    def erase(user_id: str) -> Iterator[None]:
        yield from consents.erase(user_id)
        yield from devices.erase(user_id)
        yield from pieces.in_pieces(lambda limit: codes.remove_some_of(user_id, limit))

    return erase


SERVICES: Final[Mapping[type, Factory]] = {
    AuthorizationRequests: _requests,
    Authorizations: _authorizations,
    IdTokens: lambda parts: IdTokens(parts.get(KeyService), parts.clock, parts.settings.server.public_url),
    TokenServices: _token_services,
    ClientEndpoints: _server,
    IssuedTokens: _tokens,
    Exchanges: _exchanges,
    Assertions: _assertions,
    ExplainRequests: _explain,
    Catalogue: lambda parts: Catalogue(parts.get(CatalogueBooks), parts.get(Authority), parts.get(Audit)),
    ClientRegistry: lambda parts: ClientRegistry(parts.get(Clients), parts.get(MetadataDocuments)),
    MetadataDocuments: _documents,
    ConsentService: _consents,
    RequestedLogouts: _logouts,
    BackchannelLogout: _backchannel,
    DeviceFlow: _devices,
    ClientOrigins: lambda parts: ClientOrigins(
        parts.get(Clients), hosts=parts.settings.oauth.cimd_allow if parts.settings.oauth.pages else ()
    ),
    ClientService: _clients,
    RegistrationService: _registration,
    Proofs: lambda parts: Proofs(parts.get(RevokedTokens), parts.clock, parts.settings.server.public_url),
    ClientNames: lambda parts: RegisteredNames(parts.get(Clients)),
}
"""The parts, and what builds each."""
