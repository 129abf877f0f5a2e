"""The keyring is made once, followed as it changes, and never lost to a store that is away."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from threading import Barrier, Event, Semaphore
from typing import TYPE_CHECKING

import pytest

from app.keys import service as keys_module
from app.keys.keyring import Algorithm, generate
from app.keys.model import StoredKeyring
from app.keys.open_keys import RELOAD_AFTER, UNKNOWN_KID_PAUSE
from app.keys.service import FOLLOWED_WITHIN, PUBLISHED_BEFORE, KeyService
from app.platform.errors import Unavailable
from app.security.secret_keys import SealedError, SecretKeys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.keys.model import Keyrings
    from tests.api.service import FakeClock
    from tests.stores import Store

OTHER = SecretKeys("another secret, not in use either")
TOKEN_LIFE = timedelta(seconds=930)
MOMENT = timedelta(milliseconds=1)
LONG = 60
"""Seconds that are never waited for unless something hangs."""


class Counted:
    """The keyrings of a store; counts how often they are read."""

    def __init__(self, keyrings: Keyrings) -> None:
        self._keyrings = keyrings
        self.loads = 0

    def load(self) -> StoredKeyring | None:
        self.loads += 1
        return self._keyrings.load()

    def save(self, keyring: StoredKeyring) -> bool:
        return self._keyrings.save(keyring)


class Hanging:
    """The keyrings of a server that accepts a connection and does not answer until it is released."""

    def __init__(self) -> None:
        self.loads = 0
        self.asked = Event()
        self.let_go = Event()

    def load(self) -> StoredKeyring | None:
        self.loads += 1
        self.asked.set()
        assert self.let_go.wait(LONG)
        raise Unavailable

    def save(self, keyring: StoredKeyring) -> bool:
        raise AssertionError(keyring)


@pytest.fixture
def keyrings(store: Store) -> Counted:
    return Counted(store.keyrings)


@pytest.fixture
def make(keyrings: Counted, secrets: SecretKeys, clock: FakeClock) -> Callable[..., KeyService]:
    """Makes the keys of an instance."""

    def make(algorithm: Algorithm = "ES256", secrets: SecretKeys = secrets) -> KeyService:
        return KeyService(keyrings, secrets, algorithm, clock, token_life=TOKEN_LIFE)

    return make


@pytest.fixture
def keys(make: Callable[..., KeyService]) -> KeyService:
    """The keys of an instance that has been started."""
    made = make()
    made.ensure()
    return made


def kids(keyrings: Counted) -> list[str]:
    stored = keyrings.load()
    return [key.kid for key in stored.keys] if stored else []


def test_of_sixteen_concurrent_first_starts_one_makes_the_key_that_all_use(
    make: Callable[..., KeyService], keyrings: Counted
) -> None:
    barrier = Barrier(16)

    def start() -> str:
        instance = make()
        barrier.wait()
        instance.ensure()
        return instance.signing_key().kid

    with ThreadPoolExecutor(16) as threads:
        starts = [threads.submit(start) for _ in range(16)]

    assert [each.result() for each in starts] == kids(keyrings) * 16
    assert len(kids(keyrings)) == 1


def test_a_second_start_makes_nothing(keys: KeyService, make: Callable[..., KeyService], keyrings: Counted) -> None:
    before = keyrings.load()

    make().ensure()

    assert keyrings.load() == before
    assert keys.version == 1


def test_the_first_key_signs_at_once(keys: KeyService, clock: FakeClock) -> None:
    assert keys.signing_key().signs_from == clock.now
    assert [jwk["kid"] for jwk in keys.jwks()["keys"]] == [keys.signing_key().kid]


def test_a_new_algorithm_adds_a_key_that_is_published_at_once_and_signs_when_every_copy_of_the_key_set_has_it(
    keys: KeyService, make: Callable[..., KeyService], clock: FakeClock
) -> None:
    changed = make("EdDSA")
    changed.ensure()

    assert [jwk["alg"] for jwk in changed.jwks()["keys"]] == ["ES256", "EdDSA"]
    assert changed.signing_key().kid == keys.signing_key().kid
    clock.now += PUBLISHED_BEFORE - MOMENT
    assert changed.signing_key().alg == "ES256"
    clock.now += MOMENT
    assert changed.signing_key().alg == "EdDSA"


def test_hs256_which_is_not_published_signs_when_every_instance_has_it(
    keys: KeyService, make: Callable[..., KeyService], clock: FakeClock
) -> None:
    changed = make("HS256")
    changed.ensure()

    clock.now += FOLLOWED_WITHIN - MOMENT
    assert changed.signing_key().alg == "ES256"
    clock.now += MOMENT
    assert changed.signing_key().alg == "HS256"
    assert changed.key_by_kid(keys.signing_key().kid) is not None


def test_a_key_after_hs256_waits_although_nothing_was_published_before(
    make: Callable[..., KeyService], clock: FakeClock
) -> None:
    make("HS256").ensure()
    changed = make("ES256")
    changed.ensure()

    assert changed.signing_key().alg == "HS256"
    clock.now += PUBLISHED_BEFORE
    assert changed.signing_key().alg == "ES256"


def test_the_algorithm_can_be_set_back_without_another_key(
    make: Callable[..., KeyService], clock: FakeClock, keyrings: Counted
) -> None:
    for algorithm in ("ES256", "EdDSA", "ES256"):
        instance = make(algorithm)
        instance.ensure()
        clock.now += PUBLISHED_BEFORE
        assert instance.signing_key().alg == algorithm

    assert len(kids(keyrings)) == 2


def test_tokens_of_the_former_algorithm_are_still_verified(keys: KeyService, make: Callable[..., KeyService]) -> None:
    former = keys.signing_key()
    changed = make("EdDSA")
    changed.ensure()

    found = changed.key_by_kid(former.kid)

    assert found is not None
    assert found.alg == "ES256"


def test_an_instance_follows_the_new_key_of_another_within_seconds(
    keys: KeyService, make: Callable[..., KeyService], clock: FakeClock
) -> None:
    keys.signing_key()
    make("HS256").ensure()

    clock.now += RELOAD_AFTER - timedelta(milliseconds=1)
    assert keys.version == 1
    clock.advance(0.001)
    assert keys.version == 2


def test_a_keyring_that_was_just_read_is_not_read_again(keys: KeyService, keyrings: Counted) -> None:
    keys.signing_key()
    before = keyrings.loads

    for _ in range(100):
        keys.signing_key()
        keys.jwks()
        assert keys.version == 1

    assert keyrings.loads == before


def test_an_unknown_kid_finds_the_key_that_another_instance_has_just_made(
    keys: KeyService, make: Callable[..., KeyService], clock: FakeClock, keyrings: Counted
) -> None:
    keys.signing_key()
    make("HS256").ensure()
    clock.now += UNKNOWN_KID_PAUSE

    found = keys.key_by_kid(kids(keyrings)[1])

    assert found is not None
    assert found.alg == "HS256"


def test_unknown_kids_read_the_keyring_at_most_once_in_five_seconds(
    keys: KeyService, keyrings: Counted, clock: FakeClock
) -> None:
    keys.signing_key()
    before = keyrings.loads

    for _ in range(100):  # 10 seconds
        for number in range(5):
            assert keys.key_by_kid(f"unknown {number}") is None
        clock.advance(0.1)

    assert keyrings.loads == before + 1
    clock.advance(0.1)
    keys.key_by_kid("unknown")
    assert keyrings.loads == before + 2


def test_a_known_kid_reads_nothing(keys: KeyService, keyrings: Counted, clock: FakeClock) -> None:
    kid = keys.signing_key().kid
    before = keyrings.loads
    clock.now += UNKNOWN_KID_PAUSE

    assert keys.key_by_kid(kid) is not None

    assert keyrings.loads == before


def test_a_clock_that_is_set_back_does_not_keep_the_keyring_from_being_followed(
    keys: KeyService, make: Callable[..., KeyService], clock: FakeClock
) -> None:
    keys.signing_key()
    make("HS256").ensure()

    clock.advance(-3600)

    assert keys.version == 2


def test_a_keyring_that_no_secret_opens_stops_the_start_and_stays_as_it_is(
    keys: KeyService, make: Callable[..., KeyService], keyrings: Counted
) -> None:
    before = keyrings.load()

    for algorithm in ("ES256", "HS256"):
        with pytest.raises(SealedError, match=keys.signing_key().kid):
            make(algorithm, secrets=OTHER).ensure()

    assert keyrings.load() == before


def test_a_keyring_that_no_secret_opens_makes_an_instance_unavailable_and_the_cause_is_kept(
    keys: KeyService, make: Callable[..., KeyService]
) -> None:
    with pytest.raises(Unavailable) as refused:
        make(secrets=OTHER).signing_key()

    assert keys.signing_key().kid not in refused.value.message
    assert isinstance(refused.value.__cause__, SealedError)
    with pytest.raises(Unavailable, match=keys.signing_key().kid):
        make(secrets=OTHER).tend()


def test_other_keys_under_the_same_version_are_noticed(
    keys: KeyService, make: Callable[..., KeyService], clock: FakeClock, database: Path
) -> None:
    wiped, version = keys.signing_key().kid, keys.version
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM keyrings")
    make().ensure()
    clock.now += RELOAD_AFTER

    assert keys.signing_key().kid != wiped
    assert keys.key_by_kid(wiped) is None
    assert keys.version != version  # so that no token is remembered that the wiped key had signed


def test_a_keyring_that_can_no_longer_be_opened_leaves_the_one_in_memory(
    keys: KeyService, keyrings: Counted, clock: FakeClock
) -> None:
    kid = keys.signing_key().kid
    stored = keyrings.load()
    assert stored is not None
    foreign = generate("ES256", OTHER.current, now=clock.now, signs_from=clock.now)
    keyrings.save(StoredKeyring(2, (*stored.keys, foreign)))

    clock.now += RELOAD_AFTER

    assert keys.signing_key().kid == kid
    assert keys.key_by_kid(foreign.kid) is None


def test_while_the_store_is_away_the_keyring_in_memory_goes_on_and_is_followed_again_later(
    keys: KeyService, make: Callable[..., KeyService], clock: FakeClock, away: Callable[[], None]
) -> None:
    kid = keys.signing_key().kid
    away()
    clock.now += RELOAD_AFTER
    assert keys.signing_key().kid == kid
    clock.now += UNKNOWN_KID_PAUSE
    assert keys.key_by_kid("unknown") is None
    away()
    make("HS256").ensure()

    clock.now += RELOAD_AFTER

    assert keys.version == 2


def test_an_instance_that_has_never_seen_the_keyring_is_not_available_while_the_store_is_away(
    keys: KeyService, make: Callable[..., KeyService], away: Callable[[], None]
) -> None:
    fresh = make()
    away()
    for ask in (fresh.signing_key, fresh.jwks, lambda: fresh.key_by_kid(keys.signing_key().kid), lambda: fresh.version):
        with pytest.raises(Unavailable):
            ask()
    away()

    assert fresh.signing_key().kid == keys.signing_key().kid


def test_requests_that_wait_for_the_first_keyring_share_the_outcome_of_one_read(
    secrets: SecretKeys, clock: FakeClock
) -> None:
    hanging, begun = Hanging(), Semaphore(0)
    keys = KeyService(hanging, secrets, "ES256", clock, token_life=TOKEN_LIFE)

    def ask() -> None:
        begun.release()
        keys.signing_key()

    with ThreadPoolExecutor(16) as threads:
        requests = [threads.submit(ask) for _ in range(16)]
        assert all(begun.acquire(timeout=LONG) for _ in requests)
        assert hanging.asked.wait(LONG)
        hanging.let_go.set()

    assert all(isinstance(request.exception(), Unavailable) for request in requests)
    # One after the other they would have kept the last one waiting sixteen times as long.
    assert hanging.loads < 16


def test_requests_that_come_first_at_once_all_get_the_keyring(
    keys: KeyService, make: Callable[..., KeyService]
) -> None:
    fresh, barrier = make(), Barrier(16)

    def ask() -> str:
        barrier.wait()
        return fresh.signing_key().kid

    with ThreadPoolExecutor(16) as threads:
        requests = [threads.submit(ask) for _ in range(16)]

    assert [request.result() for request in requests] == [keys.signing_key().kid] * 16


def test_a_request_does_not_wait_for_another_that_reads_the_keyring_again(
    keys: KeyService, secrets: SecretKeys, clock: FakeClock, store: Store
) -> None:
    class Slow(Hanging):
        def load(self) -> StoredKeyring | None:
            if self.loads:
                super().load()
            self.loads += 1
            return store.keyrings.load()

    slow = Slow()
    mine = KeyService(slow, secrets, "ES256", clock, token_life=TOKEN_LIFE)
    kid = mine.signing_key().kid
    clock.now += RELOAD_AFTER
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(mine.signing_key)
        assert slow.asked.wait(LONG)
        clock.now += RELOAD_AFTER

        assert mine.signing_key().kid == kid

        assert not reading.done()
        slow.let_go.set()
        assert reading.result(LONG).kid == keys.signing_key().kid


def test_without_keys_in_the_store_the_remedy_is_named(make: Callable[..., KeyService]) -> None:
    with pytest.raises(Unavailable, match="restart the service"):
        make().signing_key()


def test_a_keyring_that_changes_before_every_write_is_given_up(
    make: Callable[..., KeyService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_module, "_ATTEMPTS", 0)

    instance = make()
    for change in (instance.ensure, instance.rotate, lambda: instance.retire("kid"), instance.tend):
        with pytest.raises(Unavailable, match="changes too often"):
            change()
