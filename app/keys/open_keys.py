"""The signing keys that are open in this process: loaded when needed, and reloaded as the stored keys change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

import structlog

from app.keys.keyring import OpenKeyring, unseal
from app.platform.errors import Unavailable
from app.platform.log import reason_of
from app.security.secret_keys import SealedError

if TYPE_CHECKING:
    from datetime import datetime

    from app.keys.keyring import Algorithm, SigningKey
    from app.keys.model import Keyrings, StoredKeyring
    from app.platform.clock import Clock
    from app.security.secret_keys import SecretKeys

RELOAD_AFTER = timedelta(seconds=10)
"""How old the keyring in memory may get, and so how soon an instance follows a change made by another."""
UNKNOWN_KID_PAUSE = timedelta(seconds=5)
"""A token with an unknown kid reloads the keyring, but not more often than this."""
_log = structlog.get_logger("latchkey.keys")


class OpenKeys:
    """The keyring in memory; `app.sessions.access_tokens` takes its keys from here.

    It never holds a key that the store does not list any more, whether or not the others can be opened.
    """

    def __init__(self, keyrings: Keyrings, secrets: SecretKeys, algorithm: Algorithm, clock: Clock) -> None:
        """Nothing is read before the first use; `algorithm` is the setting JWT_ALGORITHM."""
        self._keyrings = keyrings
        self._secrets = secrets
        self._algorithm = algorithm
        self._clock = clock
        self._loading = Lock()
        self._stored: StoredKeyring | None = None
        self._keyring: OpenKeyring | None = None
        self._version = 0
        self._reads = 0
        self._asked_at: datetime | None = None

    @property
    def version(self) -> int:
        """A number that changes with the content of the keyring in memory."""
        return self._current().version

    def signing_key(self) -> SigningKey:
        """The key that signs now."""
        return self._current().signing_key(self._clock(), self._algorithm)

    def key_by_kid(self, kid: str) -> SigningKey | None:
        """The key with this kid; an unknown kid reloads the keyring, at most once in UNKNOWN_KID_PAUSE."""
        key = self._current().keys.get(kid)
        if key is None and self._is_older_than(UNKNOWN_KID_PAUSE):
            key = self._load().keys.get(kid)
        return key

    def follow(self) -> None:
        """Reload the keyring if it is older than RELOAD_AFTER; raises Unavailable if no keyring is available."""
        self._current()

    def jwks(self) -> dict[str, Any]:
        """The JWK set to publish (RFC 7517 section 5)."""
        return self._current().jwks()

    def _current(self) -> OpenKeyring:
        known = self._keyring
        return self._load() if known is None or self._is_older_than(RELOAD_AFTER) else known

    def _is_older_than(self, age: timedelta) -> bool:
        # In either direction: a clock that was set back must not keep the keyring from being read.
        return self._asked_at is None or abs(self._clock() - self._asked_at) >= age

    def _load(self) -> OpenKeyring:
        """Read the keyring; while another thread reads it, or if reading fails, the one in memory stays in use.

        While there is none yet, all threads wait for the one that reads and share its result: if the store is down,
        they must not try one after the other.
        """
        known, reads = self._keyring, self._reads
        if known is None:
            self._loading.acquire()
        elif not self._loading.acquire(blocking=False):
            return known
        try:
            if self._reads == reads:
                return self._read(known)
            if self._keyring is None:
                raise Unavailable(retry_after=1)
            return self._keyring
        finally:
            self._loading.release()

    def _read(self, known: OpenKeyring | None) -> OpenKeyring:
        self._asked_at = self._clock()
        try:
            stored = self._keyrings.load()
        except Unavailable as error:
            if known is None:
                raise
            _log.warning("the keyring in memory goes on", cause=reason_of(error))
            return known
        finally:
            self._reads += 1
        # The version alone is not enough: a store that was wiped or restored may have reached the same one.
        if known is None or stored != self._stored:
            try:
                known = self._keyring = self._taken_over(stored, known)
            except Unavailable:
                # A key that the store no longer lists verifies nothing, whether or not the rest can be opened.
                self._keyring = None
                raise
            self._stored = stored
        return known

    def _taken_over(self, stored: StoredKeyring | None, known: OpenKeyring | None) -> OpenKeyring:
        """The stored keys, opened; a key that no secret opens any more is taken from memory, if it is there.

        Raises Unavailable if no key is left, or, without a keyring in memory, if one cannot be opened.
        """
        if stored is None or not stored.keys:
            raise Unavailable("The store holds no signing keys; restart the service to make them.")
        self._secrets.distrust(stored.leaked)
        keys: dict[str, SigningKey] = {}
        for key in stored.keys:
            held = known.keys.get(key.kid) if known else None
            try:
                keys[key.kid] = unseal(key, self._secrets)
            except SealedError as error:
                if known is None:
                    raise Unavailable("The signing keys cannot be opened.") from error
                _log.warning("a signing key cannot be opened", in_memory=held is not None, cause=str(error))
                if held is not None and held.alg == key.alg:
                    keys[key.kid] = replace(held, signs_from=key.signs_from)
        if not keys:
            raise Unavailable("The signing keys cannot be opened.")
        self._version += 1
        return OpenKeyring(self._version, keys)
