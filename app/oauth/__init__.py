"""The authorization server: OAuth 2.1 and OpenID Connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.feature import Feature, Queue, Tag
from app.oauth import controller, wiring
from app.oauth.catalogue import controller as catalogue_controller
from app.oauth.catalogue.model import CatalogueBooks
from app.oauth.client_documents.model import ClientDocuments
from app.oauth.client_origins import ClientOrigins
from app.oauth.clients import cli as clients_cli
from app.oauth.clients import controller as clients_controller
from app.oauth.clients.model import Clients
from app.oauth.clients.permissions import READ, TRUST, WRITE
from app.oauth.codes.model import Codes
from app.oauth.consents import controller as consents
from app.oauth.consents.former_owner import KIND as FORMER_CONSENTS
from app.oauth.consents.former_owner import FormerOwner
from app.oauth.consents.model import Consents
from app.oauth.consents.service import ConsentService
from app.oauth.device_codes.model import DeviceCodes
from app.oauth.discovery import controller as discovery
from app.oauth.discovery.service import Discovery
from app.oauth.explain import controller as explain_controller
from app.oauth.logout import controller as logout
from app.oauth.logout.backchannel import KIND as BACKCHANNEL
from app.oauth.logout.backchannel import BackchannelLogout
from app.oauth.logout.teller import Teller
from app.oauth.logout_notices.model import LogoutNotices
from app.oauth.registration import controller as registration
from app.oauth.registration.model import RegistrationTokens
from app.oauth.requests.model import StoredRequests
from app.oauth.revoked_tokens.model import RevokedTokens

if TYPE_CHECKING:
    from app.platform.container import Container


def _discovery(parts: Container) -> Discovery | None:
    return wiring.discovery(parts, (*FEATURE.protocol_endpoints(), *FEATURE.endpoints(())))


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
                registration.create_registration_token,
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
                discovery.openid_configuration,
                discovery.server_metadata,
                discovery.server_metadata_below,
                discovery.resource_metadata,
                discovery.resource_metadata_below,
                registration.register,
            ),
        ),
    ),
    pages=(Tag("pages", "", (logout.confirm_logout,)),),
    services={**wiring.SERVICES, Discovery: _discovery},
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
    erase=wiring.eraser,
    exports=(consents.exported,),
    expires=(Codes, StoredRequests, RegistrationTokens, RevokedTokens, DeviceCodes, LogoutNotices, ClientDocuments),
    # What a former owner consented to goes with `OAUTH=off`, too: it may be turned on again.
    publishers=(wiring.listeners, lambda parts: FormerOwner(parts.clock)),
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
