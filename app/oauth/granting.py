"""Whether a client may still have what it was granted: an administrator may have taken something away since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.authentication import AAL2
from app.oauth.clients.redirect_uris import is_same_redirect
from app.oauth.parameters import OPENID

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.accounts.authentication import Authentication
    from app.oauth.clients.model import Client
    from app.oauth.codes.model import Code
    from app.oauth.registry import ClientRegistry
    from app.sessions.granted import Granted
    from app.sessions.model import Session


def may_open(client: Client, granted: Granted, proven: Authentication, *, own: str) -> bool:
    """Whether a session may be opened for it, which was granted before, in a login that proved this.

    `own` is the audience of our own API, which every client may ask for, as it may for the scope `openid`.
    """
    if client.require_second_factor and not proven.reaches(AAL2):
        return False
    return _may_have(client, granted.scopes, granted.resources, first_party=granted.first_party, own=own)


def may_keep(client: Client, session: Session, *, own: str) -> bool:
    """Whether it may have all that a session of it was given."""
    first_party = bool(session.first_party)
    return _may_have(client, session.granted_scopes, session.audiences, first_party=first_party, own=own)


def is_kept(registry: ClientRegistry, session: Session, *, own: str) -> bool:
    """The same of the client as it is now, which may be gone."""
    client = registry.find(session.client_id or "")
    return client is not None and may_keep(client, session, own=own)


def still_receives(client: Client, code: Code) -> bool:
    """Whether a code was sent to a redirect URI that this client still has: one that was taken away from it may be in
    other hands. Those of a metadata document are not known without fetching it."""
    return client.kind == "metadata" or any(is_same_redirect(code.redirect_uri, each) for each in client.redirect_uris)


def _may_have(
    client: Client, scopes: Collection[str], resources: Collection[str], *, first_party: bool, own: str
) -> bool:
    return client.still_grants(
        first_party=first_party,
        scopes=[scope for scope in scopes if scope != OPENID],
        resources=[uri for uri in resources if uri != own],
    )
