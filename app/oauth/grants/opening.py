"""The session that a client gets by what its user gave it: a code, or the approval of a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.accounts.authentication import Authentication
from app.oauth.granting import is_kept, may_open
from app.sessions.granted import NotAdmittedError
from app.sessions.proof import Proof

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.oauth.clients.model import Client
    from app.oauth.refusal import RefusedError
    from app.oauth.services import TokenServices
    from app.platform.devices import Device
    from app.platform.instrumentation import Grant
    from app.sessions.granted import Granted
    from app.sessions.session_tokens import OpenedSession


class Given(Protocol):
    """What a user gave, and how they were logged in then; nothing of it is None once it is given."""

    @property
    def user_id(self) -> str | None:
        """Who gave it."""

    @property
    def auth_epoch(self) -> int | None:
        """That of their account."""

    @property
    def authenticated_at(self) -> datetime | None:
        """When they had logged in."""

    @property
    def amr(self) -> str | None:
        """By what, as `Authentication.kept`."""


def open_for(
    services: TokenServices,
    client: Client,
    granted: Granted,
    given: Given,
    device: Device,
    *,
    grant: Grant,
    void: Callable[[str], RefusedError],
) -> OpenedSession:
    """Open the session. Raises what `void` makes of the reason if the user or the client has lost since what it was
    given for.

    The tokens are made of what was written, never of a second read: the session may have ended by then.
    """
    account = services.users.account(given.user_id or "")
    if account is None or account.auth_epoch != given.auth_epoch or given.authenticated_at is None:
        raise void("The login in which it was given has ended.")
    proven = Authentication.from_kept(given.authenticated_at, given.amr)
    if not may_open(client, granted, proven, services.catalogue.load(), own=services.audience):
        raise void("The client may do less than when it was given.")
    try:
        opened = services.gate.open_for(Proof(account.credentials, proven, grant), granted, device)
    except NotAdmittedError as reason:
        raise void(str(reason)) from None
    # Behind the opening: whoever takes anything away looks for the sessions of the client afterwards.
    is_granted = granted.first_party or services.consents.still_holds(
        account.user.id, client.id, granted.scopes, granted.resources
    )
    if not is_granted or not is_kept(services.registry, opened.session, own=services.audience):
        services.sessions.end_for_client(granted.session_id, client.id, device)
        raise void("The consent, or what the client may do, has become less meanwhile.")
    return opened
