"""What each kind of client may exchange for tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.oauth.clients.model import Client

DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - no secret
_OF_USERS: Final = frozenset({"authorization_code", "refresh_token", DEVICE_CODE})
_OF_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "public": _OF_USERS,
    "metadata": _OF_USERS - {DEVICE_CODE},
    "confidential": _OF_USERS | {"client_credentials"},
    "service": frozenset({"client_credentials"}),
}


def may_exchange(client: Client, grant_type: str) -> bool:
    """Whether this client may, by its kind; one of a kind that a newer version made may nothing. The tokens that it
    receives from others it exchanges only if an administrator has said so."""
    if grant_type == TOKEN_EXCHANGE:
        return client.has_secrets and client.token_exchange
    return grant_type in _OF_KINDS.get(client.kind, frozenset())
