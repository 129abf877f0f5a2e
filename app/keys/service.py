"""The signing keys in the store: made at the first start, kept under the current secret, rotated, and ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from app.keys.keyring import Algorithm, generate, reseal, that_signs, unseal
from app.keys.model import StoredKey, StoredKeyring
from app.keys.open_keys import OpenKeys
from app.platform.errors import NotFound, Unavailable
from app.security.secret_keys import LeakedSecretError, SealedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.keys.model import Keyrings
    from app.platform.clock import Clock
    from app.security.secret_keys import RootKey, SecretKeys

JWKS_MAX_AGE = 300
"""Seconds for which others may keep the published keys."""
FOLLOWED_WITHIN = timedelta(seconds=60)
"""Every instance follows a change within this time, even if its clock is late (LEEWAY) and one store read failed."""
LEEWAY = timedelta(seconds=30)
"""How far the clocks of two instances may be apart; a token counts for that much longer."""
PUBLISHED_BEFORE = FOLLOWED_WITHIN + timedelta(seconds=JWKS_MAX_AGE) + timedelta(hours=1)
"""How long a key is published before it signs: until every instance has it and cached copies have expired, and then an
hour, since some verifiers fetch the key set only once an hour and do not look up an unknown kid."""
_ATTEMPTS = 10


class LastKeyError(Exception):
    """The key that was to be dropped is the only one that signs."""


class UnknownSecretError(Exception):
    """This service is not known to have used the secret that is reported as leaked."""


class KeyService(OpenKeys):
    """The signing keys: those open in this process, and the operations that change them for every instance."""

    def __init__(
        self, keyrings: Keyrings, secrets: SecretKeys, algorithm: Algorithm, clock: Clock, *, token_life: timedelta
    ) -> None:
        """`token_life` is the longest time for which a token is accepted after it was signed."""
        super().__init__(keyrings, secrets, algorithm, clock)
        self._token_life = token_life

    def ensure(self) -> None:
        """Make sure that the store holds a signing key of the algorithm, and that the current secret seals all keys.

        Keys sealed under a former secret are resealed. An HS256 key derived from a former secret is sealed, too, and
        verifies until its last token has expired; a new one, derived from the current secret, signs instead. After
        this no key needs a former secret. If several processes start at once, one changes the keyring and the others
        load its result. Raises SealedError, and changes nothing, if a stored key cannot be opened, and
        LeakedSecretError if the current secret has leaked.
        """
        stored = self._keyrings.load()
        if stored is not None and self._secrets.current_name in stored.leaked:
            raise LeakedSecretError("it is one that leaked")
        self._change(self._mended)

    def tend(self) -> int:
        """Do the same as a job, if the store holds keys; returns how many keys were resealed or dropped.

        A key is dropped when its last token has expired. Raises Unavailable if a key cannot be opened.
        """
        try:
            before, after = self._change(lambda keys: self._mended(keys) if keys else keys)
        except SealedError as error:
            raise Unavailable(str(error)) from error
        return len(set(before) - set(after))

    def rotate(self, *, once: bool = False) -> StoredKey:
        """Add a key that signs as soon as all verifiers can have it, and drop keys that no token needs any more.

        Returns that key; with `once` the one that waits to sign already, if there is one, and no other is added.
        Raises SealedError, and changes nothing, if a stored key cannot be opened: a key made under a wrong
        SECRET_KEY would keep the right one from opening the keyring.
        """
        key = self._new_key(self._algorithm)

        def with_another(keys: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
            self._open(keys)
            return keys if once and self._waiting(keys) else (*self._needed(keys), key)

        _, after = self._change(with_another)
        return key if key in after else self._waiting(after)[0]

    def revoke(self, kid: str) -> StoredKey:
        """Drop a key that may have leaked; returns the key that signs from now on.

        Its tokens are refused at once, by every other instance within RELOAD_AFTER. If it is the signing key, the next
        published key signs at once, or a new one if there is none. Raises NotFound for an unknown key, and
        SealedError as `rotate` does.
        """

        def without(keys: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
            self._open(keys)
            others = _without(kid, keys)
            signed = that_signs(keys, self._clock(), self._algorithm)
            return self._signing_at_once(others) if signed.kid == kid else others

        return self._that_signs(self._change(without)[1])

    def revoke_all(self) -> StoredKey:
        """Drop every key, as `revoke` drops one, and make a new one that signs at once."""

        def renewed(keys: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
            self._open(keys)
            return self._signing_at_once(())

        return self._that_signs(self._change(renewed)[1])

    def revoke_unopened(self) -> tuple[StoredKey, ...]:
        """Drop the keys that no known secret opens, and return them: the remedy when their secret is lost.

        If no signing key is left, a new one signs at once.
        """

        def opened(keys: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
            kept = tuple(key for key in keys if self._opens(key))
            return kept if self._any_signs(kept) else self._signing_at_once(kept)

        before, after = self._change(opened)
        kept = {key.kid for key in after}
        return tuple(key for key in before if key.kid not in kept)

    def secret_leaked(self, leaked: RootKey, *, unknown: bool = False) -> StoredKey:
        """Distrust everything that was or can be made with this secret; returns the key that signs from now on.

        One write drops every signing key (the secret opens them in any copy of the store), adds one that signs at once,
        and lists the secret as leaked. Within RELOAD_AFTER every instance refuses refresh tokens, codes and links made
        with it, even if it is a fallback, and an instance that has it as SECRET_KEY refuses all requests and does not
        start again. No stored key has to be opened.

        Raises LeakedSecretError, and changes nothing, if it is the current secret, or if the current one leaked
        before; and UnknownSecretError if neither the store nor the settings know it, unless `unknown` is set.
        """
        if self._secrets.current_name == leaked.name:
            raise LeakedSecretError("it is still SECRET_KEY")
        for _ in range(_ATTEMPTS):
            stored = self._keyrings.load() or StoredKeyring(0, ())
            if self._secrets.current_name in stored.leaked:
                raise LeakedSecretError("SECRET_KEY is one that leaked before")
            known = {key.wrapped_by for key in stored.keys} | set(stored.leaked)
            if not (unknown or leaked.name in known or self._secrets.named(leaked.name)):
                raise UnknownSecretError
            names = tuple(dict.fromkeys((*stored.leaked, leaked.name)))
            keys = self._signing_at_once(())
            if self._keyrings.save(StoredKeyring(stored.version + 1, keys, names)):
                self._secrets.distrust(names)
                return self._that_signs(keys)
        raise Unavailable("The keyring changes too often.")

    def retire(self, kid: str) -> None:
        """Drop a key at once: every instance refuses its tokens within RELOAD_AFTER.

        Raises NotFound for an unknown key, and LastKeyError for the only one that signs.
        """

        def without(keys: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
            others = _without(kid, keys)
            if not self._any_signs(others):
                raise LastKeyError
            return others

        self._change(without)

    def stored(self) -> tuple[StoredKey, ...]:
        """All keys of the store, the oldest first."""
        stored = self._keyrings.load()
        return () if stored is None else tuple(sorted(stored.keys, key=lambda key: (key.signs_from, key.kid)))

    def leaked(self) -> tuple[str, ...]:
        """The names of the secrets that leaked."""
        stored = self._keyrings.load()
        return () if stored is None else stored.leaked

    def that_signs(self) -> StoredKey:
        """The stored key that signs now; raises NotFound if there is none."""
        stored = self.stored()
        if not stored:
            raise NotFound
        return self._that_signs(stored)

    def _change(
        self, change: Callable[[tuple[StoredKey, ...]], tuple[StoredKey, ...]]
    ) -> tuple[tuple[StoredKey, ...], tuple[StoredKey, ...]]:
        """Replace the stored keys with the result of `change`; returns the keys before and after."""
        for _ in range(_ATTEMPTS):
            stored = self._keyrings.load() or StoredKeyring(0, ())
            self._secrets.distrust(stored.leaked)
            keys = change(stored.keys)
            if keys == stored.keys or self._keyrings.save(replace(stored, version=stored.version + 1, keys=keys)):
                return stored.keys, keys
        raise Unavailable("The keyring changes too often.")

    def _mended(self, stored: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
        """The keys that are needed, all sealed under the current secret, with one to sign with among them."""
        needed = self._needed(stored)
        self._open(needed)
        keys = tuple(reseal(key, self._secrets) for key in needed)
        algorithms: set[Algorithm] = {self._algorithm}
        if any(_is_carried_over(key) for key in keys):
            # Even if another algorithm signs: without a successor the old key would be kept forever.
            algorithms.add("HS256")
        missing = algorithms - {key.alg for key in keys if not _is_carried_over(key)}
        # Before the first key set there is none that a verifier could have cached.
        signs_from = None if stored else self._clock()
        return keys + tuple(self._new_key(algorithm, signs_from) for algorithm in sorted(missing))

    def _new_key(self, algorithm: Algorithm, signs_from: datetime | None = None) -> StoredKey:
        now, lead = self._clock(), FOLLOWED_WITHIN if algorithm == "HS256" else PUBLISHED_BEFORE
        return generate(algorithm, self._secrets.current, now=now, signs_from=signs_from or now + lead)

    def _signing_at_once(self, keys: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
        """These keys with one that signs from now on: the next one, already published, or else a new one."""
        now, waiting = self._clock(), self._waiting(keys)
        if not waiting:
            return (*keys, self._new_key(self._algorithm, now))
        return tuple(replace(key, signs_from=now) if key is waiting[0] else key for key in keys)

    def _waiting(self, keys: tuple[StoredKey, ...]) -> list[StoredKey]:
        """The keys of the algorithm that are published but do not sign yet, the next one first."""
        now = self._clock()
        waiting = (
            key for key in keys if key.alg == self._algorithm and key.signs_from > now and not _is_carried_over(key)
        )
        return sorted(waiting, key=lambda key: key.signs_from)

    def _any_signs(self, keys: tuple[StoredKey, ...]) -> bool:
        return any(key.signs_from <= self._clock() and not _is_carried_over(key) for key in keys)

    def _that_signs(self, keys: tuple[StoredKey, ...]) -> StoredKey:
        return that_signs(keys, self._clock(), self._algorithm)

    def _needed(self, keys: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
        """The keys that a token may still need: without those replaced long ago by another of their algorithm."""
        still = self._clock() - self._token_life - FOLLOWED_WITHIN
        replaced = {
            old.kid for old in keys for new in keys if old.alg == new.alg and old.signs_from < new.signs_from <= still
        }
        return tuple(key for key in keys if key.kid not in replaced)

    def _open(self, keys: tuple[StoredKey, ...]) -> None:
        """Raises SealedError if one of the keys cannot be opened."""
        for key in keys:
            unseal(key, self._secrets)

    def _opens(self, key: StoredKey) -> bool:
        try:
            unseal(key, self._secrets)
        except SealedError:
            return False
        return True


def _without(kid: str, keys: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
    others = tuple(key for key in keys if key.kid != kid)
    if len(others) == len(keys):
        raise NotFound
    return others


def _is_carried_over(key: StoredKey) -> bool:
    """Whether this is an HS256 key that was derived from a former secret."""
    return key.alg == "HS256" and key.sealed != ""
