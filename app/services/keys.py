"""The signing keys of this instance: made at the first start, loaded when needed, followed as they change."""

from __future__ import annotations

from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

import structlog

from app.errors import NotFound, Unavailable
from app.models.keyring import StoredKey, StoredKeyring
from app.security.keyring import Algorithm, Keyring, KeyringSealedError, SigningKey, generate, reseal, unseal

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.clock import Clock
    from app.models.keyring import Keyrings
    from app.security.secret_keys import SecretKeys

JWKS_MAX_AGE = 300
"""Seconds for which others may keep the published keys."""
RELOAD_AFTER = timedelta(seconds=60)
"""How old the keyring in memory may get: so soon does an instance follow a change made by another."""
PUBLISHED_BEFORE = timedelta(seconds=2 * JWKS_MAX_AGE) + RELOAD_AFTER
"""How long a key is published before it signs: until every instance has it, and then until a copy has grown old at a
proxy and once more at a client (each keeps it for JWKS_MAX_AGE)."""
UNKNOWN_KID_PAUSE = timedelta(seconds=5)
"""A token with an unknown kid reloads the keyring, but not more often than this."""
_ATTEMPTS = 10
_log = structlog.get_logger("latchkey.keys")


class LastKeyError(Exception):
    """The key that was to be dropped is the only one that signs."""


class Keys:
    """The keyring in memory; `security.tokens` takes its keys from here."""

    def __init__(
        self, keyrings: Keyrings, secrets: SecretKeys, algorithm: Algorithm, clock: Clock, *, token_life: timedelta
    ) -> None:
        """`token_life` is how long a token is accepted after it was signed, at the most."""
        self._keyrings = keyrings
        self._token_life = token_life
        self._secrets = secrets
        self._algorithm = algorithm
        self._clock = clock
        self._loading = Lock()
        self._stored: StoredKeyring | None = None
        self._keyring: Keyring | None = None
        self._reads = 0
        self._asked_at: datetime | None = None

    def ensure(self) -> None:
        """Make sure that the store holds a key of the algorithm to sign with, and that the current secret seals all.

        What a former secret sealed is sealed anew. A key of HS256 that one derived is sealed, too, and verifies until
        its last token has expired; a new one, derived from the current secret, takes its place in signing. So no key
        needs the former secret behind this. Of racing starters one changes the keyring, the others take it over.
        Raises KeyringSealedError, and changes nothing, if a stored key cannot be opened.
        """
        self._change(self._mended)

    def tend(self) -> int:
        """The same from time to time, for a store that holds keys: how many keys were sealed anew or dropped.

        A key is dropped when its last token has expired. Raises Unavailable if one cannot be opened.
        """
        try:
            before, after = self._change(lambda keys: self._mended(keys) if keys else keys)
        except KeyringSealedError as error:
            raise Unavailable(str(error)) from error
        return len(set(before) - set(after))

    def rotate(self) -> StoredKey:
        """Add a key, which signs as soon as everybody can know it, and drop those that no token needs any more."""
        key = self._new_key(self._algorithm)
        self._change(lambda keys: (*self._needed(keys), key))
        return key

    def retire(self, kid: str) -> None:
        """Drop a key at once: its tokens are refused from now on, by every instance within RELOAD_AFTER.

        Raises NotFound for an unknown key, and LastKeyError for the only one that signs.
        """

        def without(keys: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
            others = tuple(key for key in keys if key.kid != kid)
            if len(others) == len(keys):
                raise NotFound
            now = self._clock()
            if not any(key.signs_from <= now and not _is_carried_over(key) for key in others):
                raise LastKeyError
            return others

        self._change(without)

    def stored(self) -> tuple[StoredKey, ...]:
        """All keys of the store, the oldest first."""
        stored = self._keyrings.load()
        return () if stored is None else tuple(sorted(stored.keys, key=lambda key: (key.signs_from, key.kid)))

    @property
    def version(self) -> int:
        """Another for each content that the keyring in memory had."""
        return self._current().version

    def signing_key(self) -> SigningKey:
        """The key that signs now."""
        return self._current().signing_key(self._clock(), self._algorithm)

    def find(self, kid: str) -> SigningKey | None:
        """The key of this kid; an unknown one reloads the keyring, at most once in UNKNOWN_KID_PAUSE."""
        key = self._current().keys.get(kid)
        if key is None and self._is_older_than(UNKNOWN_KID_PAUSE):
            key = self._load().keys.get(kid)
        return key

    def jwks(self) -> dict[str, Any]:
        """The JWK set to publish (RFC 7517 section 5)."""
        return self._current().jwks()

    def _change(
        self, change: Callable[[tuple[StoredKey, ...]], tuple[StoredKey, ...]]
    ) -> tuple[tuple[StoredKey, ...], tuple[StoredKey, ...]]:
        """Put what `change` makes of the stored keys in their place: the keys before, and after."""
        for _ in range(_ATTEMPTS):
            stored = self._keyrings.load() or StoredKeyring(0, ())
            keys = change(stored.keys)
            if keys == stored.keys or self._keyrings.save(StoredKeyring(stored.version + 1, keys)):
                return stored.keys, keys
        raise Unavailable("The keyring changes too often.")

    def _mended(self, stored: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
        """The keys that are needed, all under the current secret, and with one to sign with."""
        needed = self._needed(stored)
        self._open(needed)
        keys = tuple(reseal(key, self._secrets) for key in needed)
        algorithms: set[Algorithm] = {self._algorithm}
        if any(_is_carried_over(key) for key in keys):
            # Also where another algorithm signs: without a successor it would be kept for ever.
            algorithms.add("HS256")
        missing = algorithms - {key.alg for key in keys if not _is_carried_over(key)}
        # Nobody can hold an older copy of the first key set.
        signs_from = None if stored else self._clock()
        return keys + tuple(self._new_key(algorithm, signs_from) for algorithm in sorted(missing))

    def _new_key(self, algorithm: Algorithm, signs_from: datetime | None = None) -> StoredKey:
        now, lead = self._clock(), RELOAD_AFTER if algorithm == "HS256" else PUBLISHED_BEFORE
        return generate(algorithm, self._secrets.current, now=now, signs_from=signs_from or now + lead)

    def _needed(self, keys: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
        """The keys without those that another of their algorithm replaced so long ago that no token needs them."""
        still = self._clock() - self._token_life - RELOAD_AFTER
        replaced = {
            old.kid for old in keys for new in keys if old.alg == new.alg and old.signs_from < new.signs_from <= still
        }
        return tuple(key for key in keys if key.kid not in replaced)

    def _current(self) -> Keyring:
        if self._keyring is not None and not self._is_older_than(RELOAD_AFTER):
            return self._keyring
        return self._load()

    def _is_older_than(self, age: timedelta) -> bool:
        # Either way: a clock that was set back must not keep the keyring from being read.
        return self._asked_at is None or abs(self._clock() - self._asked_at) >= age

    def _load(self) -> Keyring:
        """Read the keyring; while another thread does, or if that fails, the one in memory goes on.

        Before there is one, all wait for the thread that reads, and share what comes of it: while the store is away
        they must not try one behind the other.
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

    def _read(self, known: Keyring | None) -> Keyring:
        self._asked_at = self._clock()
        try:
            stored = self._keyrings.load()
            # Not by the version alone: a store that was wiped or restored may have come to the same one.
            if stored is not None and stored != self._stored:
                self._keyring = known = Keyring(known.version + 1 if known else 1, self._open(stored.keys))
                self._stored = stored
        except (Unavailable, KeyringSealedError) as error:
            if known is None:
                if isinstance(error, KeyringSealedError):
                    raise Unavailable("The signing keys cannot be opened.") from error
                raise
            _log.warning("the keyring in memory goes on", cause=str(error))
        finally:
            self._reads += 1
        if known is None:
            raise Unavailable("The store holds no signing keys; restart the service to make them.")
        return known

    def _open(self, keys: tuple[StoredKey, ...]) -> dict[str, SigningKey]:
        return {key.kid: unseal(key, self._secrets) for key in keys}


def _is_carried_over(key: StoredKey) -> bool:
    """Whether this is a key of HS256 that a former secret derived."""
    return key.alg == "HS256" and key.sealed != ""
