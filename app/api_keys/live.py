"""Whether an API key works, and what it allows now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from app.accounts.principal import Principal
from app.platform.errors import ExpiredToken, Failure, InvalidToken, SessionEnded

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.api_keys.model import ApiKeys, FoundKey
    from app.platform.clock import Clock

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LiveKeys:
    """Finds the principals of API keys, each in one round trip to the store."""

    keys: ApiKeys
    permissions_of: Callable[[tuple[str, ...], int | None], frozenset[str]]
    clock: Clock

    def principal(self, found: FoundKey) -> Principal:
        """The principal of a key: its permissions are those that the key has and its owner has now, too.

        Raises InvalidToken for a key that was deleted, SessionEnded if its owner is not active, and ExpiredToken.
        """
        key, owner = found.key, found.user
        if owner.status != "active":
            raise SessionEnded("The owner of this API key is disabled or deleted.")
        if self.clock() >= key.expires_at:
            raise ExpiredToken("This API key has expired.")
        if not found.listed:
            raise InvalidToken
        return Principal(
            owner,
            session_id="",
            opened_at=key.created_at,
            last_used_at=key.last_used_at or _NEVER,
            permissions=self.permissions_of(owner.roles, found.roles_version).intersection(key.permissions),
            kind="api_key",
            key_id=key.id,
            roles_version=found.roles_version,
        )

    def present(self, principal: Principal) -> Principal | None:
        """The principal of an earlier request as it is now; None if the key has ended."""
        found = self.keys.find(principal.key_id or "")
        if found is None:
            return None
        try:
            return self.principal(found)
        except Failure:
            return None
