"""What a user lets clients have, for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.principal import Principal
from app.oauth.consents.service import ConsentService
from app.oauth.consents.views import GrantList, GrantView
from app.platform.errors import NotFound
from app.web.call import CallBy
from app.web.endpoint import endpoint
from app.web.export import exporter
from app.web.guard import authenticated
from app.web.view import Nothing

if TYPE_CHECKING:
    from collections.abc import Iterator


@endpoint("GET /auth/grants", access=authenticated, operation="listGrants", returns=GrantList)
def grants(call: CallBy[Principal]) -> GrantList:
    """The applications that the user lets have something of their account, oldest first.

    An application that the administrators trust is not asked about, and does not stand here: its sessions do, in
    `GET /auth/sessions`.
    """
    return GrantList.of(call.get(ConsentService).list_of(call.caller.user))


@endpoint(
    "DELETE /auth/grants/<path:client>",
    access=authenticated,
    operation="revokeGrant",
    returns=Nothing,
    message="Access revoked",
    raises=(NotFound,),
)
def revoke(call: CallBy[Principal], client: str) -> Nothing:
    """Take away what the user let an application have, and end all sessions that it has for them.

    `client` is the `client_id`; one that is a URL is percent-encoded. The user is asked again at its next login.
    """
    call.get(ConsentService).revoke(call.caller, client, call.device)
    return Nothing()


@exporter("grants", GrantView)
def exported(call: CallBy[Principal]) -> Iterator[list[GrantView]]:
    """What the user lets applications have, oldest first: a user has few."""
    yield GrantList.of(call.get(ConsentService).list_of(call.caller.user)).grants
