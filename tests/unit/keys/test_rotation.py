"""Keys are added before they sign, dropped when no token needs them, and retired at once when somebody has one."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from app.keys.open_keys import RELOAD_AFTER
from app.keys.service import FOLLOWED_WITHIN, PUBLISHED_BEFORE, KeyService, LastKeyError
from app.platform.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from app.keys.keyring import Algorithm
    from app.security.secret_keys import SecretKeys
    from tests.api.service import FakeClock
    from tests.stores import Store

TOKEN_LIFE = timedelta(seconds=930)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture(params=["ES256", "HS256"])
def algorithm(request: pytest.FixtureRequest) -> Algorithm:
    chosen: Algorithm = request.param
    return chosen


@pytest.fixture
def keys(store: Store, secrets: SecretKeys, algorithm: Algorithm, clock: FakeClock) -> KeyService:
    """The keys of an instance that has been started."""
    made = KeyService(store.keyrings, secrets, algorithm, clock, token_life=TOKEN_LIFE)
    made.ensure()
    return made


@pytest.fixture
def lead(algorithm: Algorithm) -> timedelta:
    """How long a new key waits."""
    return FOLLOWED_WITHIN if algorithm == "HS256" else PUBLISHED_BEFORE


def kids(keys: KeyService) -> list[str]:
    return [key.kid for key in keys.stored()]


def test_a_new_key_signs_only_when_every_client_can_know_it(
    keys: KeyService, clock: FakeClock, lead: timedelta
) -> None:
    old, new = keys.signing_key().kid, keys.rotate()

    assert kids(keys) == [old, new.kid]
    assert new.signs_from == clock.now + lead
    clock.now += lead - MOMENT
    assert keys.signing_key().kid == old
    clock.now += MOMENT
    assert keys.signing_key().kid == new.kid


def test_a_key_is_dropped_when_no_token_of_it_can_be_valid_on_any_instance(
    keys: KeyService, clock: FakeClock, lead: timedelta
) -> None:
    old, new = keys.signing_key().kid, keys.rotate().kid
    clock.now += lead + TOKEN_LIFE + FOLLOWED_WITHIN - MOMENT
    assert keys.tend() == 0
    assert kids(keys) == [old, new]
    clock.now += MOMENT
    assert keys.tend() == 1
    assert kids(keys) == [new]
    assert keys.tend() == 0


def test_a_rotation_drops_what_no_token_needs(keys: KeyService, clock: FakeClock, lead: timedelta) -> None:
    second = keys.rotate().kid
    clock.now += lead + TOKEN_LIFE + FOLLOWED_WITHIN

    third = keys.rotate().kid

    assert kids(keys) == [second, third]


def test_a_key_of_another_algorithm_replaces_none(
    keys: KeyService, store: Store, secrets: SecretKeys, clock: FakeClock
) -> None:
    KeyService(store.keyrings, secrets, "EdDSA", clock, token_life=TOKEN_LIFE).ensure()
    clock.now += PUBLISHED_BEFORE + TOKEN_LIFE + FOLLOWED_WITHIN

    assert keys.tend() == 0


def test_a_retired_key_is_gone_from_every_instance_within_seconds(
    keys: KeyService, clock: FakeClock, lead: timedelta
) -> None:
    old, new = keys.signing_key().kid, keys.rotate().kid
    clock.now += lead
    assert keys.key_by_kid(old) is not None

    keys.retire(old)

    assert kids(keys) == [new]
    clock.now += RELOAD_AFTER
    assert keys.key_by_kid(old) is None


def test_the_only_key_that_signs_is_not_retired(keys: KeyService, clock: FakeClock, lead: timedelta) -> None:
    old = keys.signing_key().kid
    with pytest.raises(LastKeyError):
        keys.retire(old)
    new = keys.rotate().kid
    clock.now += lead - MOMENT
    with pytest.raises(LastKeyError):
        keys.retire(old)

    assert kids(keys) == [old, new]


def test_a_key_that_does_not_sign_yet_may_be_retired(keys: KeyService) -> None:
    old, new = keys.signing_key().kid, keys.rotate().kid

    keys.retire(new)

    assert kids(keys) == [old]


def test_a_key_that_is_revoked_is_gone_and_a_new_one_signs_at_once(keys: KeyService, clock: FakeClock) -> None:
    old = keys.signing_key().kid

    signs = keys.revoke(old)

    assert kids(keys) == [signs.kid] != [old]
    assert signs.signs_from == clock.now
    clock.now += RELOAD_AFTER
    assert keys.key_by_kid(old) is None
    assert keys.signing_key().kid == signs.kid


def test_the_next_published_key_replaces_a_revoked_one(keys: KeyService, clock: FakeClock) -> None:
    old, following = keys.signing_key().kid, keys.rotate().kid
    keys.rotate()

    assert keys.revoke(old).kid == following

    clock.now += RELOAD_AFTER
    assert keys.signing_key().kid == following


def test_a_key_that_does_not_sign_is_revoked_and_the_present_one_goes_on(
    keys: KeyService, clock: FakeClock, lead: timedelta
) -> None:
    old, new = keys.signing_key().kid, keys.rotate().kid
    assert keys.revoke(new).kid == old
    new = keys.rotate().kid
    clock.now += lead
    assert keys.revoke(old).kid == new

    assert kids(keys) == [new]


def test_all_keys_can_be_revoked(keys: KeyService, clock: FakeClock) -> None:
    keys.rotate()

    signs = keys.revoke_all()

    assert kids(keys) == [signs.kid]
    clock.now += RELOAD_AFTER
    assert keys.signing_key().kid == signs.kid


@pytest.mark.parametrize("end", ["DELETE FROM keyrings", "UPDATE keyrings SET version = 9, document = '[]'"])
def test_keys_of_a_keyring_that_is_gone_verify_nothing(
    end: str, keys: KeyService, clock: FakeClock, database: Path
) -> None:
    kid = keys.signing_key().kid
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(end)
    clock.now += RELOAD_AFTER

    for ask in (lambda: keys.key_by_kid(kid), keys.signing_key, keys.jwks):
        with pytest.raises(Unavailable):
            ask()


def test_an_unknown_key_is_neither_retired_nor_revoked(keys: KeyService) -> None:
    before = kids(keys)

    with pytest.raises(NotFound):
        keys.retire("unknown")
    with pytest.raises(NotFound):
        keys.revoke("unknown")

    assert kids(keys) == before


def test_rotations_at_once_lose_no_key(keys: KeyService) -> None:
    old, barrier = keys.signing_key().kid, Barrier(4)

    def rotate() -> str:
        barrier.wait()
        return keys.rotate().kid

    with ThreadPoolExecutor(4) as threads:
        added = [each.result() for each in [threads.submit(rotate) for _ in range(4)]]

    assert set(kids(keys)) == {old, *added}
    assert len(kids(keys)) == 5
