"""The authorization server: OAuth 2.1 and OpenID Connect."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from app.accounts.model import Users
from app.accounts.service import Accounts
from app.audit.service import Audit
from app.feature import Feature, Queue, Tag
from app.keys.service import KeyService
from app.oauth import controller
from app.oauth.assertions import Assertions
from app.oauth.authorization import Authorizations
from app.oauth.catalogue import controller as catalogue_controller
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
from app.oauth.clients import cli as clients_cli
from app.oauth.clients import controller as clients_controller
from app.oauth.clients.model import Clients
from app.oauth.clients.permissions import READ, TRUST, WRITE
from app.oauth.clients.registration import RegistrationService
from app.oauth.clients.service import ClientService
from app.oauth.codes.model import Codes
from app.oauth.consents import controller as consents
from app.oauth.consents.former_owner import KIND as FORMER_CONSENTS
from app.oauth.consents.former_owner import FormerOwner
from app.oauth.consents.model import Consents
from app.oauth.consents.service import ConsentService
from app.oauth.device_codes.model import DeviceCodes
from app.oauth.devices import DeviceFlow
from app.oauth.discovery import AUTHENTICATED, Discovery
from app.oauth.exchange import Exchanges
from app.oauth.explain import controller as explain_controller
from app.oauth.explain.service import ExplainRequests
from app.oauth.id_tokens import IdTokens
from app.oauth.logout import controller as logout
from app.oauth.logout.backchannel import KIND as BACKCHANNEL
from app.oauth.logout.backchannel import BackchannelLogout, Listeners, LogoutPublisher
from app.oauth.logout.service import RequestedLogouts
from app.oauth.logout.teller import AT_ONCE, Teller
from app.oauth.logout_notices.model import LogoutNotices
from app.oauth.parts import TokenEndpoint, TokenEndpoints
from app.oauth.registration_tokens.model import RegistrationTokens
from app.oauth.registry import ClientRegistry
from app.oauth.requests.model import StoredRequests
from app.oauth.revoked_tokens.model import RevokedTokens
from app.oauth.tokens import IssuedTokens
from app.platform import pieces
from app.roles.authority import Authority
from app.security.bounded_calls import BoundedCalls
from app.security.dpop import Proofs
from app.security.egress import Egress
from app.security.secret_keys import SecretKeys
from app.sessions.access_tokens import AccessTokens
from app.sessions.gate import LoginGate
from app.sessions.live import LiveSessions
from app.sessions.model import ClientNames, Sessions
from app.sessions.service import SessionService
from app.web.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.feature import Eraser
    from app.oauth.parts import TokenEndpoint as _Server
    from app.oauth.server import OAuthServer
    from app.platform.container import Container


def _authorizations(parts: Container) -> Authorizations:
    return Authorizations(
        registry=parts.get(ClientRegistry),
        catalogue=parts.get(Catalogue),
        requests=parts.get(StoredRequests),
        codes=parts.get(Codes),
        consents=parts.get(ConsentService),
        users=parts.get(Users),
        live=parts.get(LiveSessions),
        gate=parts.get(LoginGate),
        id_tokens=IdTokens(parts.get(KeyService), parts.clock, parts.settings.server.public_url),
        clock=parts.clock,
        issuer=parts.settings.server.public_url,
        audience=parts.settings.tokens.jwt_audience,
        code_seconds=parts.settings.oauth.code_seconds,
    )


def _server(parts: Container) -> _Server | None:
    """The server, with its grants; None, and Authlib is not loaded, with `OAUTH=off`."""
    if not parts.settings.oauth.on:
        return None
    from app.oauth.grants.code import CodeGrant
    from app.oauth.grants.device import DeviceGrant
    from app.oauth.grants.exchange import ExchangeGrant
    from app.oauth.grants.refresh import RefreshGrant
    from app.oauth.grants.service import ServiceGrant
    from app.oauth.server import OAuthServer, Services

    server = OAuthServer(
        Services(
            registry=parts.get(ClientRegistry),
            catalogue=parts.get(Catalogue),
            codes=parts.get(Codes),
            device_codes=parts.get(DeviceCodes),
            consents=parts.get(ConsentService),
            users=parts.get(Users),
            live=parts.get(LiveSessions),
            gate=parts.get(LoginGate),
            sessions=parts.get(SessionService),
            access_tokens=parts.get(AccessTokens),
            id_tokens=IdTokens(parts.get(KeyService), parts.clock, parts.settings.server.public_url),
            exchanges=parts.get(Exchanges),
            assertions=parts.get(Assertions),
            clock=parts.clock,
            observer=parts.observer,
            audience=parts.settings.tokens.jwt_audience,
            proofs=parts.get(Proofs),
        )
    )
    of_pages = (CodeGrant, DeviceGrant) if parts.settings.oauth.pages else ()
    for grant in (*of_pages, RefreshGrant, ServiceGrant, ExchangeGrant):
        server.register_grant(grant)
    return server


def _token_endpoints(parts: Container) -> TokenEndpoints | None:
    server = parts.find(TokenEndpoint)
    if server is None:
        return None
    from app.oauth.introspection import with_token_endpoints

    return with_token_endpoints(cast("OAuthServer", server), parts.get(IssuedTokens))


def _tokens(parts: Container) -> IssuedTokens:
    return IssuedTokens(
        parts.get(AccessTokens),
        parts.get(SessionService),
        parts.get(ClientRegistry),
        parts.get(RevokedTokens),
        parts.settings.server.public_url,
        parts.settings.tokens.jwt_audience,
    )


def _assertions(parts: Container) -> Assertions:
    issuer = parts.settings.server.public_url
    return Assertions(
        parts.get(ClientRegistry),
        # With places of their own: anybody can send what has a client's keys fetched.
        PublishedKeys(replace(parts.get(Egress), calls=BoundedCalls("client keys", KEYS_AT_ONCE))),
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
    server = parts.find(TokenEndpoint)
    if server is None:
        return None
    return ExplainRequests(
        authorizations=parts.get(Authorizations),
        registry=parts.get(ClientRegistry),
        catalogue=parts.get(Catalogue),
        codes=parts.get(Codes),
        device_codes=parts.get(DeviceCodes),
        consents=parts.get(ConsentService),
        users=parts.get(Users),
        live=parts.get(LiveSessions),
        gate=parts.get(LoginGate),
        sessions=parts.get(SessionService),
        exchanges=parts.get(Exchanges),
        assertions=parts.get(Assertions),
        clock=parts.clock,
        grant_types=server.grant_types,
    )


def _discovery(parts: Container) -> Discovery | None:
    server = parts.find(TokenEndpoint)
    if server is None:
        return None
    served = (*FEATURE.protocol_endpoints(), *FEATURE.endpoints(()))
    return Discovery(
        catalogue=parts.get(Catalogue),
        issuer=parts.settings.server.public_url,
        audience=parts.settings.tokens.jwt_audience,
        algorithm=parts.settings.tokens.jwt_algorithm,
        paths=frozenset({declared.path for declared in served if declared.on is None or declared.on(parts.settings)}),
        grant_types=server.grant_types,
        tells_of_logouts=True,
        fetches_metadata=parts.settings.oauth.pages and bool(parts.settings.oauth.cimd_allow),
    )


def _logouts(parts: Container) -> RequestedLogouts:
    return RequestedLogouts(
        parts.get(ClientRegistry),
        IdTokens(parts.get(KeyService), parts.clock, parts.settings.server.public_url),
        parts.get(Sessions),
        parts.get(SessionService),
        parts.clock,
    )


def _listeners(parts: Container) -> LogoutPublisher | None:
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


def _eraser(parts: Container) -> Eraser:
    """Erases what a user let clients have, what they approved, and the codes that they gave."""
    consents_, devices, codes = parts.get(ConsentService), parts.get(DeviceFlow), parts.get(Codes)

    def erase(user_id: str) -> Iterator[None]:
        yield from consents_.erase(user_id)
        yield from devices.erase(user_id)
        yield from pieces.in_pieces(lambda limit: codes.remove_some_of(user_id, limit))

    return erase


FEATURE = Feature(
    tags=(
        Tag(
            "clients",
            "Applications that log users in here, and what they may ask for.",
            (
                clients_controller.clients,
                clients_controller.create,
                clients_controller.client,
                clients_controller.update,
                clients_controller.delete,
                clients_controller.create_secret,
                clients_controller.delete_secret,
                clients_controller.create_registration_token,
                explain_controller.explain,
                catalogue_controller.scopes,
                catalogue_controller.create_scope,
                catalogue_controller.delete_scope,
                catalogue_controller.resources,
                catalogue_controller.create_resource,
                catalogue_controller.delete_resource,
            ),
        ),
        Tag("grants", "What the user lets applications have.", (consents.grants, consents.revoke)),
    ),
    protocols=(
        Tag(
            "oauth",
            "What clients of the authorization server call, as its RFCs describe it.",
            (
                controller.authorize,
                controller.authorize_by_form,
                controller.push,
                controller.exchange,
                controller.begin_device,
                controller.revoke,
                controller.introspect,
                logout.log_out,
                logout.log_out_by_form,
                controller.userinfo,
                controller.userinfo_by_post,
                controller.openid_configuration,
                controller.server_metadata,
                controller.server_metadata_below,
                controller.resource_metadata,
                controller.resource_metadata_below,
                clients_controller.register,
            ),
        ),
    ),
    pages=(Tag("pages", "", (logout.confirm_logout,)),),
    services={
        Authorizations: _authorizations,
        TokenEndpoint: _server,
        TokenEndpoints: _token_endpoints,
        IssuedTokens: _tokens,
        Exchanges: _exchanges,
        Assertions: _assertions,
        Discovery: _discovery,
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
    },
    repositories=(
        Codes,
        StoredRequests,
        CatalogueBooks,
        Clients,
        RegistrationTokens,
        Consents,
        RevokedTokens,
        DeviceCodes,
        LogoutNotices,
        ClientDocuments,
    ),
    erase=_eraser,
    exports=(consents.exported,),
    expires=(Codes, StoredRequests, RegistrationTokens, RevokedTokens, DeviceCodes, LogoutNotices, ClientDocuments),
    # What a former owner consented to goes with `OAUTH=off`, too: it may be turned on again.
    publishers=(_listeners, lambda parts: FormerOwner(parts.clock)),
    handlers={
        BACKCHANNEL: lambda parts: parts.get(BackchannelLogout).told,
        FORMER_CONSENTS: lambda parts: parts.get(ConsentService).forget_former,
    },
    threads=(lambda parts: Teller(parts.get(BackchannelLogout)),),
    queues=(
        lambda parts: Queue(
            "latchkey_logout_queue",
            "Sessions whose clients are still to be told that they ended.",
            parts.get(BackchannelLogout).waiting,
        ),
    ),
    registered_origins=lambda parts: parts.get(ClientOrigins).includes,
    permissions=frozenset({READ, WRITE, TRUST}),
    commands=(clients_cli.clients,),
    on=lambda settings: settings.oauth.on,
)
