"""Whoever presents an API key where an access token goes."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from app.api_keys.key_format import PREFIX, parse
from app.platform.errors import Forbidden, InvalidToken
from app.platform.identifiers import new_id

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.api_keys.live import LiveKeys
    from app.api_keys.model import ApiKeys, FoundKey
    from app.platform.clock import Clock

_USE_NOTED_EVERY: Final = timedelta(minutes=1)
_NO_DIGEST: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class ApiKeyAuthenticator:
    """An `app.web.caller.Authenticator` of API keys."""

    keys: ApiKeys
    live: LiveKeys
    clock: Clock

    def recognises(self, token: str) -> bool:
        """Whether a token has the form of an API key."""
        return token.startswith(PREFIX)

    def authenticate(self, token: str) -> Principal:
        """The principal of this key; one round trip to the store, none for a text that can be no key.

        Raises InvalidToken, ExpiredToken, or SessionEnded for a genuine key whose owner is not active.
        """
        if parse(token) is None:
            raise InvalidToken
        found = genuine(self.keys, token)
        if found is None:
            raise InvalidToken
        return self.live.principal(found)

    def use_is_due(self, principal: Principal) -> bool:
        """Whether `note_use` is due: the use of a key is recorded at most once a minute."""
        return self.clock() - principal.last_used_at >= _USE_NOTED_EVERY

    def note_use(self, principal: Principal) -> None:
        """Record that a key was used."""
        self.keys.touch(principal.key_id or "", self.clock())

    def require_fresh_login(self, principal: Principal) -> None:  # noqa: ARG002 - the same for every key
        """Raises Forbidden: behind a key there is no login."""
        raise Forbidden("An API key cannot do this: log in.")


def genuine(keys: ApiKeys, text: str) -> FoundKey | None:
    """The key that this text is, whether it works or not; None for any other text, after the same work."""
    sent = parse(text)
    found = keys.find(sent.id if sent else new_id())
    right = hmac.compare_digest(
        digest_of(sent.secret if sent else _NO_DIGEST), found.key.digest if found else _NO_DIGEST
    )
    return found if right and sent else None


def digest_of(secret: bytes) -> bytes:
    """What is stored of the secret of a key."""
    return sha256(secret).digest()
