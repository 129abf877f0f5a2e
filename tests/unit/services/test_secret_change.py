"""When SECRET_KEY changes, the keyring comes under the new one, and no token is lost on the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING, get_args

import jwt
import pytest

from app.errors import Unavailable
from app.models.keyring import StoredKeyring
from app.security.keyring import Algorithm, KeyringSealedError
from app.security.secret_keys import SecretKeys
from app.services.keys import PUBLISHED_BEFORE, RELOAD_AFTER, Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.models.sql.store import SqlStore
    from tests.api.service import FakeClock

A, B = "the first secret, of some length", "the second secret, of some length"
OLD, CHANGED, NEW = SecretKeys(A), SecretKeys(B, [A]), SecretKeys(B)
TOKEN_LIFE = timedelta(seconds=930)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def make(store: SqlStore, clock: FakeClock) -> Callable[..., Keys]:
    """Starts the keys of an instance with these secrets."""

    def make(secrets: SecretKeys, algorithm: Algorithm = "ES256") -> Keys:
        keys = Keys(store.keyrings, secrets, algorithm, clock, token_life=TOKEN_LIFE)
        keys.ensure()
        return keys

    return make


def sealed_by(keys: Keys) -> set[str]:
    return {key.wrapped_by for key in keys.stored()}


def kids(keys: Keys) -> list[str]:
    return [key.kid for key in keys.stored()]


def token_of(keys: Keys) -> tuple[str, str]:
    """A token that the instance signs now, and the kid of its key."""
    key = keys.signing_key()
    return jwt.encode({"sub": "ann"}, key.signing, algorithm=key.alg), key.kid


def verifies(keys: Keys, token: str, kid: str) -> bool:
    key = keys.find(kid)
    return key is not None and jwt.decode(token, key.verifying, algorithms=[key.alg]) == {"sub": "ann"}


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
def test_a_start_with_a_new_secret_seals_every_key_under_it_and_the_former_one_can_go(
    algorithm: Algorithm, make: Callable[..., Keys]
) -> None:
    old = make(OLD, algorithm)
    token = token_of(old)
    published = old.jwks()

    changed = make(CHANGED, algorithm)

    assert sealed_by(changed) == {NEW.current.name}
    new = make(NEW, algorithm)
    assert verifies(changed, *token)
    assert verifies(new, *token)
    assert new.jwks() == changed.jwks() == published


def test_keys_under_the_current_secret_are_left_alone(make: Callable[..., Keys], store: SqlStore) -> None:
    make(OLD).rotate()
    make(CHANGED)
    before = store.keyrings.load()

    make(CHANGED)
    assert make(NEW).tend() == 0

    assert store.keyrings.load() == before


def test_of_sixteen_starts_at_once_one_seals_the_keyring_and_all_take_it_over(
    make: Callable[..., Keys], store: SqlStore
) -> None:
    token = token_of(make(OLD, "HS256"))
    barrier = Barrier(16)

    def start(_: int) -> Keys:
        barrier.wait()
        return make(CHANGED, "HS256")

    with ThreadPoolExecutor(16) as threads:
        instances = list(threads.map(start, range(16)))

    stored = store.keyrings.load()
    assert stored is not None
    assert (stored.version, len(stored.keys)) == (2, 2)
    assert all(verifies(instance, *token) for instance in instances)


def test_a_new_key_of_hs256_signs_when_every_instance_has_it_and_the_former_one_goes_with_its_last_token(
    make: Callable[..., Keys], clock: FakeClock
) -> None:
    former = make(OLD, "HS256").signing_key().kid
    changed = make(CHANGED, "HS256")
    clock.now += RELOAD_AFTER - MOMENT
    last = token_of(changed)
    assert last[1] == former
    clock.now += MOMENT

    signing = changed.signing_key()

    assert signing.kid != former
    assert signing.signing == NEW.current.derive(f"latchkey hs256 {signing.kid}")
    clock.now += TOKEN_LIFE + RELOAD_AFTER - MOMENT
    assert changed.tend() == 0
    assert verifies(make(NEW, "HS256"), *last)
    clock.now += MOMENT
    assert changed.tend() == 1
    assert kids(changed) == [signing.kid]


def test_a_key_of_hs256_from_before_a_change_of_the_algorithm_is_not_kept_for_ever(
    make: Callable[..., Keys], clock: FakeClock
) -> None:
    former = make(OLD, "HS256").signing_key().kid
    make(OLD, "ES256")
    changed = make(CHANGED, "ES256")
    token = token_of(changed)
    clock.now += PUBLISHED_BEFORE
    assert changed.signing_key().alg == "ES256"
    assert verifies(changed, *token)

    clock.now += TOKEN_LIFE + RELOAD_AFTER
    changed.tend()

    assert former not in kids(changed)
    assert changed.signing_key().alg == "ES256"


def test_the_job_seals_what_an_instance_with_the_former_secret_added_meanwhile(make: Callable[..., Keys]) -> None:
    old = make(SecretKeys(A, [B]))
    changed = make(CHANGED)
    added = old.rotate().kid
    assert sealed_by(changed) == {OLD.current.name, NEW.current.name}

    assert changed.tend() == 1

    assert sealed_by(changed) == {NEW.current.name}
    assert make(NEW).find(added) is not None


def test_the_job_makes_no_keys_for_a_store_that_holds_none(store: SqlStore, clock: FakeClock) -> None:
    keys = Keys(store.keyrings, NEW, "ES256", clock, token_life=TOKEN_LIFE)

    assert keys.tend() == 0

    assert store.keyrings.load() is None


def test_an_instance_that_knows_only_the_former_secret_goes_on_with_the_keys_in_memory(
    make: Callable[..., Keys], clock: FakeClock
) -> None:
    old = make(OLD)
    token = token_of(old)
    changed = make(CHANGED)
    clock.now += RELOAD_AFTER

    assert verifies(changed, *token_of(old))
    assert verifies(old, *token)
    with pytest.raises(Unavailable, match="another SECRET_KEY"):
        old.tend()
    with pytest.raises(KeyringSealedError):
        make(OLD)
    assert sealed_by(changed) == {NEW.current.name}


def test_a_start_without_the_former_secret_stops_and_changes_nothing(
    make: Callable[..., Keys], store: SqlStore
) -> None:
    make(OLD)
    before = store.keyrings.load()

    with pytest.raises(KeyringSealedError, match="another SECRET_KEY"):
        make(NEW)

    assert store.keyrings.load() == before


def test_a_start_stops_at_a_key_that_was_altered_in_the_store(make: Callable[..., Keys], store: SqlStore) -> None:
    make(OLD)
    stored = store.keyrings.load()
    assert stored is not None
    altered = replace(stored.keys[0], kid="another")
    assert store.keyrings.save(StoredKeyring(2, (*stored.keys, altered)))

    with pytest.raises(KeyringSealedError, match="the signing key another was altered"):
        make(OLD)


def test_instances_that_disagree_about_which_of_two_secrets_is_current_end_with_the_last_one_started(
    make: Callable[..., Keys], clock: FakeClock
) -> None:
    token = token_of(make(OLD, "HS256"))
    back, changed = SecretKeys(A, [B]), CHANGED
    for secrets in (back, changed, back, changed):
        instance = make(secrets, "HS256")
        assert verifies(instance, *token)
        clock.now += RELOAD_AFTER

    assert sealed_by(instance) == {NEW.current.name}
    assert verifies(make(NEW, "HS256"), *token_of(instance))
