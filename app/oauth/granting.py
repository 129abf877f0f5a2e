"""Whether a client may still have what it was granted: an administrator may have taken something away since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.authentication import AAL2
from app.oauth.clients.redirect_uris import is_same_redirect
from app.oauth.parameters import OPENID

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.accounts.authentication import Authentication
    from app.oauth.catalogue.service import CatalogueOf
    from app.oauth.clients.model import Client
    from app.oauth.registry import ClientRegistry
    from app.sessions.granted import Granted
    from app.sessions.model import Session


def may_open(client: Client, granted: Granted, proven: Authentication, catalogue: CatalogueOf, *, own: str) -> bool:
    """Whether a session may be opened for it, which was granted before, in a login that proved this.

    What was deleted from the catalogue since is granted no more; a session that has it already keeps it. `own` is the
    audience of our own API, which every client may ask for, as it may for the scope `openid`.
    """
    if client.require_second_factor and not proven.reaches(AAL2):
        return False
    if not catalogue.has(granted.scopes, [uri for uri in granted.resources if uri != own]):
        return False
    return may_have(client, granted.scopes, granted.resources, first_party=granted.first_party, own=own)


def may_receive(client: Client, redirect_uri: str) -> bool:
    """Whether codes that went to this redirect URI are still the client's: one that was removed since may be a thief's.

    What the document of a client says by now is not known: it is fetched for authorization requests alone.
    """
    return client.kind == "metadata" or any(is_same_redirect(redirect_uri, each) for each in client.redirect_uris)


def may_keep(client: Client, session: Session, *, own: str) -> bool:
    """Whether it may have all that a session of it was given."""
    first_party = bool(session.first_party)
    return may_have(client, session.granted_scopes, session.audiences, first_party=first_party, own=own)


def is_kept(registry: ClientRegistry, session: Session, *, own: str) -> bool:
    """The same of the client as it is now, which may be gone."""
    client = registry.find(session.client_id or "")
    return client is not None and may_keep(client, session, own=own)


def may_have(
    client: Client, scopes: Collection[str], resources: Collection[str], *, first_party: bool, own: str
) -> bool:
    """Whether it may have this now; `own` as for `may_open`."""
    return client.still_grants(
        first_party=first_party,
        scopes=[scope for scope in scopes if scope != OPENID],
        resources=[uri for uri in resources if uri != own],
    )
