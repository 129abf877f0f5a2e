"""A name without an account costs what an account's might: drawn by the name, from the hashes in the store."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from app.accounts.hash_mix.service import RECOUNT_AFTER, RELOAD_AFTER, HashMix
from app.platform.errors import InvalidCredentials, Unavailable
from app.security.passwords import PasswordHasher
from app.security.secret_keys import SecretKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.accounts.hash_mix.model import Mix
    from app.accounts.model import Users
    from tests.unit.instance import Instance

OWN = "$2b$04$" + "." * 53
FOREIGN = "pbkdf2:sha256:1000$AAAAAAAAAAAAAAAA$" + "0" * 64
NAMES = [f"email:{number}@example.org" for number in range(2000)]


@dataclass
class Clock:
    now: datetime = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Stored:
    """The hashes in a store, and the mix that was saved."""

    hashes: Sequence[str | None] = field(default_factory=list)
    mix: Mix | None = None
    reads: int = 0
    down: bool = False

    def page_of_hashes(self, *, after: str | None, limit: int) -> list[tuple[str, str | None]]:
        self.reads += 1
        behind = int(after or -1) + 1
        return [(f"{number:06}", self.hashes[number]) for number in range(len(self.hashes))[behind : behind + limit]]

    def load(self) -> Mix | None:
        if self.down:
            raise Unavailable
        return self.mix

    def save(self, mix: Mix) -> None:
        self.mix = mix


def mix_of(stored: Stored, clock: Clock | None = None, secret: str = "s" * 32) -> HashMix:
    users = cast("Users", stored)
    return HashMix(users, stored, PasswordHasher("bcrypt", 4), SecretKeys(secret), clock or Clock())


def test_without_a_mix_an_unknown_name_costs_what_the_present_scheme_costs() -> None:
    assert mix_of(Stored()).dummy_for("email:ann@example.org") is None


def test_unknown_names_cost_what_accounts_cost_in_the_same_shares_and_each_name_always_the_same() -> None:
    stored = Stored([*[OWN[:7] + "a" * 53] * 300, *[FOREIGN.replace("0" * 64, "a" * 64)] * 700, "!", None])
    mix = mix_of(stored)
    assert mix.recount() == 1001

    drawn = [mix.dummy_for(name) for name in NAMES]

    assert abs(Counter(drawn)[FOREIGN] - 1400) < 120  # six standard deviations
    assert set(drawn) <= {OWN, FOREIGN, None}
    assert drawn == [mix_of(stored).dummy_for(name) for name in NAMES]
    assert drawn != [mix_of(stored, secret="t" * 32).dummy_for(name) for name in NAMES]


def test_as_users_log_in_names_go_from_the_old_scheme_to_the_present_one_and_none_goes_back() -> None:
    before, after = Stored([OWN] * 300 + [FOREIGN] * 700), Stored([OWN] * 600 + [FOREIGN] * 400)
    earlier, later = mix_of(before), mix_of(after)
    earlier.recount()
    later.recount()

    changes = Counter((earlier.dummy_for(name), later.dummy_for(name)) for name in NAMES)

    assert set(changes) == {(OWN, OWN), (FOREIGN, FOREIGN), (FOREIGN, OWN)}


def test_a_mix_that_another_instance_counted_is_used_a_minute_later_and_goes_on_while_the_store_is_down() -> None:
    stored, clock = Stored([FOREIGN]), Clock()
    mix = mix_of(stored, clock)
    assert mix.dummy_for("ann") is None

    mix_of(stored).recount()
    assert mix.dummy_for("ann") is None
    clock.now += RELOAD_AFTER
    assert mix.dummy_for("ann") == FOREIGN
    stored.down = True
    clock.now += RELOAD_AFTER
    assert mix.dummy_for("ann") == FOREIGN


def test_hashes_are_counted_at_each_run_while_there_are_old_ones_and_else_once_a_day() -> None:
    stored, clock = Stored([OWN, FOREIGN]), Clock()
    mix = mix_of(stored, clock)

    assert [mix.count(), mix.count()] == [2, 2]
    stored.hashes = [OWN, OWN]
    assert [mix.count(), mix.count()] == [2, 0]
    clock.now += RECOUNT_AFTER
    assert [mix.count(), mix.count()] == [2, 0]


def test_however_many_costs_an_import_brings_the_mix_stays_small() -> None:
    stored = Stored([f"pbkdf2:sha256:{number}$salt$" + "0" * 64 for number in range(1, 1001)])
    mix_of(stored).recount()

    assert stored.mix is not None
    assert len(stored.mix.counts) == 257
    assert stored.mix.counts[""] == 744


def test_a_mix_counted_in_the_future_is_counted_again() -> None:
    stored, clock = Stored([OWN]), Clock()
    mix = mix_of(stored, clock)
    mix.count()
    assert stored.mix is not None
    stored.mix = replace(stored.mix, counted_at=clock.now + timedelta(days=9))

    assert mix.count() == 1


def test_a_login_with_an_unknown_name_costs_what_one_of_an_account_might(
    instance: Instance, change_user: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    change_user(instance.register("ann"), password_hash="pbkdf2:sha256:1234$salt$" + "0" * 64)
    instance.register("own")
    instance.get(HashMix).recount()
    spent: list[object] = []
    derive = hashlib.pbkdf2_hmac

    def spy(digest: str, secret: bytes, salt: bytes, iterations: int, length: int) -> bytes:
        spent.append((digest, iterations, length))
        return derive(digest, secret, salt, iterations, length)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", spy)
    mix, names = instance.get(HashMix), [f"{number}@example.org" for number in range(16)]

    for name in (*names, *names):
        with pytest.raises(InvalidCredentials):
            instance.login(name, "wrong horse battery staple")

    foreign = [name for name in names if (mix.dummy_for(f"email:{name}") or "").startswith("pbkdf2")]
    assert 0 < len(foreign) < 16
    assert spent == [("sha256", 1234, 32)] * 2 * len(foreign)
