"""What an application asks of a user, as a page says it: in words that a person understands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.factors.service import shown_name
from app.oauth.catalogue.service import Catalogue

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.oauth.devices import DeviceRequest
    from app.oauth.requests.service import Authorization
    from app.web.call import CallBy


def asked_facts(call: CallBy[Any], asked: Authorization | DeviceRequest, visitor: Principal) -> dict[str, Any]:
    """Who asks, for what, and of whom: `user` goes along with the answer, which is theirs alone. Raises Unavailable."""
    catalogue = call.get(Catalogue).load()
    return {
        "user": visitor.user.id,
        "name": shown_name(visitor.user),
        "client": asked.client.name,
        "registered_itself": asked.client.registered_with is not None,
        "scopes": [catalogue.scopes.get(scope, scope) for scope in asked.scopes],
        "resources": [catalogue.resources[uri].name if uri in catalogue.resources else uri for uri in asked.resources],
    }
