"""What each kind of client may exchange for tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
_OF_USERS: Final = frozenset({"authorization_code", "refresh_token", DEVICE_CODE})
_OF_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "public": _OF_USERS,
    "metadata": _OF_USERS - {DEVICE_CODE},
    "confidential": _OF_USERS | {"client_credentials"},
    "service": frozenset({"client_credentials"}),
}


def may_exchange(kind: str, grant_type: str) -> bool:
    """Whether a client of this kind may; one of a kind that a newer version made may nothing."""
    return grant_type in _OF_KINDS.get(kind, frozenset())
