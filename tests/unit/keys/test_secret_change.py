"""When SECRET_KEY changes, the keyring is resealed under the new one, and no token is lost on the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING, get_args

import jwt
import pytest

from app.keys.keyring import Algorithm, generate
from app.keys.model import StoredKeyring
from app.keys.open_keys import RELOAD_AFTER
from app.keys.service import FOLLOWED_WITHIN, PUBLISHED_BEFORE, KeyService, UnknownSecretError
from app.platform.errors import Unavailable
from app.security.secret_keys import LeakedSecretError, RootKey, SealedError, SecretKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.service import FakeClock
    from tests.stores import Store

A, B = "the first secret, of some length", "the second secret, of some length"
OLD, CHANGED, NEW = SecretKeys(A), SecretKeys(B, [A]), SecretKeys(B)
TOKEN_LIFE = timedelta(seconds=930)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def make(store: Store, clock: FakeClock) -> Callable[..., KeyService]:
    """Starts the keys of an instance with these secrets."""

    def make(secrets: SecretKeys, algorithm: Algorithm = "ES256") -> KeyService:
        keys = KeyService(store.keyrings, secrets, algorithm, clock, token_life=TOKEN_LIFE)
        keys.ensure()
        return keys

    return make


def sealed_by(keys: KeyService) -> set[str]:
    return {key.wrapped_by for key in keys.stored()}


def kids(keys: KeyService) -> list[str]:
    return [key.kid for key in keys.stored()]


def token_of(keys: KeyService) -> tuple[str, str]:
    """A token that the instance signs now, and the kid of its key."""
    key = keys.signing_key()
    return jwt.encode({"sub": "ann"}, key.signing, algorithm=key.alg), key.kid


def verifies(keys: KeyService, token: str, kid: str) -> bool:
    key = keys.key_by_kid(kid)
    return key is not None and jwt.decode(token, key.verifying, algorithms=[key.alg]) == {"sub": "ann"}


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
def test_a_start_with_a_new_secret_seals_every_key_under_it_and_the_former_one_can_go(
    algorithm: Algorithm, make: Callable[..., KeyService]
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


def test_keys_under_the_current_secret_are_left_alone(make: Callable[..., KeyService], store: Store) -> None:
    make(OLD).rotate()
    make(CHANGED)
    before = store.keyrings.load()

    make(CHANGED)
    assert make(NEW).tend() == 0

    assert store.keyrings.load() == before


def test_of_sixteen_starts_at_once_one_seals_the_keyring_and_all_take_it_over(
    make: Callable[..., KeyService], store: Store
) -> None:
    token = token_of(make(OLD, "HS256"))
    barrier = Barrier(16)

    def start(_: int) -> KeyService:
        barrier.wait()
        return make(CHANGED, "HS256")

    with ThreadPoolExecutor(16) as threads:
        instances = list(threads.map(start, range(16)))

    stored = store.keyrings.load()
    assert stored is not None
    assert (stored.version, len(stored.keys)) == (2, 2)
    assert all(verifies(instance, *token) for instance in instances)


def test_a_new_key_of_hs256_signs_when_every_instance_has_it_and_the_former_one_goes_with_its_last_token(
    make: Callable[..., KeyService], clock: FakeClock
) -> None:
    former = make(OLD, "HS256").signing_key().kid
    changed = make(CHANGED, "HS256")
    clock.now += FOLLOWED_WITHIN - MOMENT
    last = token_of(changed)
    assert last[1] == former
    clock.now += MOMENT

    signing = changed.signing_key()

    assert signing.kid != former
    assert signing.signing == NEW.current.derive(f"latchkey hs256 {signing.kid}")
    clock.now += TOKEN_LIFE + FOLLOWED_WITHIN - MOMENT
    assert changed.tend() == 0
    assert verifies(make(NEW, "HS256"), *last)
    clock.now += MOMENT
    assert changed.tend() == 1
    assert kids(changed) == [signing.kid]


def test_a_key_of_hs256_from_before_a_change_of_the_algorithm_is_not_kept_for_ever(
    make: Callable[..., KeyService], clock: FakeClock
) -> None:
    former = make(OLD, "HS256").signing_key().kid
    make(OLD, "ES256")
    changed = make(CHANGED, "ES256")
    token = token_of(changed)
    clock.now += PUBLISHED_BEFORE
    assert changed.signing_key().alg == "ES256"
    assert verifies(changed, *token)

    clock.now += TOKEN_LIFE + FOLLOWED_WITHIN
    changed.tend()

    assert former not in kids(changed)
    assert changed.signing_key().alg == "ES256"


def test_the_job_seals_what_an_instance_with_the_former_secret_added_meanwhile(make: Callable[..., KeyService]) -> None:
    old = make(SecretKeys(A, [B]))
    changed = make(CHANGED)
    added = old.rotate().kid
    assert sealed_by(changed) == {OLD.current.name, NEW.current.name}

    assert changed.tend() == 1

    assert sealed_by(changed) == {NEW.current.name}
    assert make(NEW).key_by_kid(added) is not None


def test_the_job_makes_no_keys_for_a_store_that_holds_none(store: Store, clock: FakeClock) -> None:
    keys = KeyService(store.keyrings, NEW, "ES256", clock, token_life=TOKEN_LIFE)

    assert keys.tend() == 0

    assert store.keyrings.load() is None


def test_an_instance_that_knows_only_the_former_secret_goes_on_with_the_keys_in_memory(
    make: Callable[..., KeyService], clock: FakeClock
) -> None:
    old = make(OLD)
    token = token_of(old)
    changed = make(CHANGED)
    clock.now += RELOAD_AFTER

    assert verifies(changed, *token_of(old))
    assert verifies(old, *token)
    with pytest.raises(Unavailable, match="another SECRET_KEY"):
        old.tend()
    with pytest.raises(SealedError):
        make(OLD)
    assert sealed_by(changed) == {NEW.current.name}


@pytest.mark.parametrize("command", ["retire", "revoke"])
def test_a_key_that_the_store_no_longer_lists_verifies_nothing_where_the_others_cannot_be_opened(
    command: str, make: Callable[..., KeyService], clock: FakeClock
) -> None:
    old = make(OLD)
    dropped = token_of(old)
    changed = make(CHANGED)
    kept = changed.rotate().kid
    clock.now += RELOAD_AFTER
    assert verifies(old, *dropped)
    clock.now += PUBLISHED_BEFORE
    getattr(changed, command)(dropped[1])
    clock.now += RELOAD_AFTER

    with pytest.raises(Unavailable):  # the other key was never open here
        old.key_by_kid(dropped[1])
    assert changed.key_by_kid(kept) is not None


def test_what_is_in_memory_goes_on_as_far_as_the_store_lists_it(
    make: Callable[..., KeyService], clock: FakeClock
) -> None:
    old = make(OLD)
    first = token_of(old)
    second = old.rotate().kid
    clock.now += RELOAD_AFTER
    assert old.key_by_kid(second) is not None
    changed = make(CHANGED)
    changed.revoke(first[1])
    clock.now += RELOAD_AFTER

    assert old.key_by_kid(first[1]) is None
    assert old.signing_key().kid == second
    assert verifies(changed, *token_of(old))


def test_another_key_under_the_same_kid_is_not_taken_from_memory(
    make: Callable[..., KeyService], clock: FakeClock, store: Store
) -> None:
    old = make(OLD)
    kid = old.signing_key().kid
    foreign = generate("HS256", NEW.current, now=clock.now, signs_from=clock.now)
    assert store.keyrings.save(StoredKeyring(2, (replace(foreign, kid=kid),)))
    clock.now += RELOAD_AFTER

    with pytest.raises(Unavailable):
        old.key_by_kid(kid)


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
def test_a_wrong_secret_adds_and_revokes_no_key(
    algorithm: Algorithm, make: Callable[..., KeyService], store: Store, clock: FakeClock
) -> None:
    kid = make(OLD, algorithm).signing_key().kid
    before = store.keyrings.load()
    wrong = KeyService(store.keyrings, NEW, algorithm, clock, token_life=TOKEN_LIFE)

    changes: tuple[Callable[[], object], ...] = (wrong.rotate, lambda: wrong.revoke(kid), wrong.revoke_all)
    for change in changes:
        with pytest.raises(SealedError, match=f"another SECRET_KEY .*{OLD.current.name}"):
            change()

    assert store.keyrings.load() == before


def test_keys_whose_secret_is_lost_can_be_dropped(
    make: Callable[..., KeyService], store: Store, clock: FakeClock
) -> None:
    right = make(OLD)
    foreign = generate("ES256", NEW.current, now=clock.now, signs_from=clock.now)
    stored = store.keyrings.load()
    assert stored is not None
    assert store.keyrings.save(StoredKeyring(2, (*stored.keys, foreign)))

    assert [key.kid for key in right.revoke_unopened()] == [foreign.kid]
    assert kids(right) == [stored.keys[0].kid]
    assert right.revoke_unopened() == ()

    lost = KeyService(store.keyrings, NEW, "ES256", clock, token_life=TOKEN_LIFE)
    assert lost.revoke_unopened() == stored.keys
    assert lost.signing_key().signs_from == clock.now


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
def test_a_secret_that_leaked_opens_derives_and_seals_nothing_on_any_instance(
    algorithm: Algorithm, make: Callable[..., KeyService], store: Store, clock: FakeClock
) -> None:
    with_leaked, with_both = SecretKeys(A), SecretKeys(B, [A])
    running = make(with_leaked, algorithm)
    tokens = [token_of(running)]
    fallback = make(with_both, algorithm)
    tokens.append(token_of(fallback))
    new = KeyService(store.keyrings, SecretKeys(B), algorithm, clock, token_life=TOKEN_LIFE)

    signs = new.secret_leaked(OLD.current, unknown=True)  # by now it seals nothing any more

    assert kids(new) == [signs.kid]
    assert new.signing_key().kid == signs.kid
    clock.now += RELOAD_AFTER
    assert not any(verifies(instance, *token) for instance in (new, fallback) for token in tokens)
    assert [root.name for root in with_both] == [NEW.current.name]
    assert with_both.named(OLD.current.name) is None
    with pytest.raises(Unavailable):
        running.signing_key()
    with pytest.raises(Unavailable):
        _ = with_leaked.current
    assert list(with_leaked) == []
    for secrets in (SecretKeys(A), SecretKeys(A, [B])):
        with pytest.raises(LeakedSecretError):
            make(secrets, algorithm)
        with pytest.raises(Unavailable):
            KeyService(store.keyrings, secrets, algorithm, clock, token_life=TOKEN_LIFE).tend()
    assert kids(new) == [signs.kid]
    assert make(SecretKeys(B, [A]), algorithm).signing_key().kid == signs.kid


def test_a_secret_stays_leaked_through_every_later_change(make: Callable[..., KeyService], store: Store) -> None:
    make(OLD)
    new = make(CHANGED)
    new.secret_leaked(OLD.current)
    for change in (new.rotate, new.ensure, new.revoke_all, new.revoke_unopened, new.tend):
        change()

    stored = store.keyrings.load()
    assert stored is not None
    assert stored.leaked == (OLD.current.name,)


def test_only_a_secret_that_was_in_use_and_is_replaced_can_be_declared_leaked(
    make: Callable[..., KeyService], store: Store, clock: FakeClock
) -> None:
    keys = make(OLD)
    before = store.keyrings.load()
    new = KeyService(store.keyrings, NEW, "ES256", clock, token_life=TOKEN_LIFE)

    with pytest.raises(LeakedSecretError, match="still SECRET_KEY"):
        keys.secret_leaked(OLD.current)
    with pytest.raises(UnknownSecretError):
        new.secret_leaked(RootKey("mistyped"))

    assert store.keyrings.load() == before
    new.secret_leaked(OLD.current)
    with pytest.raises(LeakedSecretError, match="leaked before"):
        keys.secret_leaked(NEW.current)
    new.secret_leaked(OLD.current)  # again, without harm
    new.secret_leaked(RootKey("from long ago"), unknown=True)


def test_a_start_without_the_former_secret_stops_and_changes_nothing(
    make: Callable[..., KeyService], store: Store
) -> None:
    make(OLD)
    before = store.keyrings.load()

    with pytest.raises(SealedError, match="another SECRET_KEY"):
        make(NEW)

    assert store.keyrings.load() == before


def test_a_start_stops_at_a_key_that_was_altered_in_the_store(make: Callable[..., KeyService], store: Store) -> None:
    make(OLD)
    stored = store.keyrings.load()
    assert stored is not None
    altered = replace(stored.keys[0], kid="another")
    assert store.keyrings.save(StoredKeyring(2, (*stored.keys, altered)))

    with pytest.raises(SealedError, match="the signing key another was altered"):
        make(OLD)


def test_instances_that_disagree_about_which_of_two_secrets_is_current_end_with_the_last_one_started(
    make: Callable[..., KeyService], clock: FakeClock
) -> None:
    token = token_of(make(OLD, "HS256"))
    back, changed = SecretKeys(A, [B]), CHANGED
    for secrets in (back, changed, back, changed):
        instance = make(secrets, "HS256")
        assert verifies(instance, *token)
        clock.now += RELOAD_AFTER

    assert sealed_by(instance) == {NEW.current.name}
    assert verifies(make(NEW, "HS256"), *token_of(instance))
