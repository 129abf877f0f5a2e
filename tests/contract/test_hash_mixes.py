"""The mix of password hashes is kept on every store, and counted from pages of all users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.account import Account
from app.accounts.hash_mix.model import Mix
from app.accounts.imported import Imported, LinkedIdentity, SealedTotp
from tests.contract.entities import DAY, HASH, NOW, a_user, a_whole_account

if TYPE_CHECKING:
    from tests.contract.races import InThreads
    from tests.stores import Store

FOREIGN = "pbkdf2:sha256:1000$AAAAAAAAAAAAAAAA$" + "0" * 64


def test_the_mix_that_was_saved_last_is_the_one_that_is_loaded(store: Store) -> None:
    assert store.hash_mixes.load() is None

    store.hash_mixes.save(Mix(NOW, {HASH: 3, FOREIGN: 1, "": 2}))
    store.hash_mixes.save(Mix(NOW + DAY, {FOREIGN: 7}))

    assert store.hash_mixes.load() == Mix(NOW + DAY, {FOREIGN: 7})


def test_of_mixes_that_are_saved_at_once_one_is_kept(store: Store, in_threads: InThreads) -> None:
    in_threads(lambda number: store.hash_mixes.save(Mix(NOW, {HASH: number + 1})))

    kept = store.hash_mixes.load()
    assert kept is not None
    assert kept.counts[HASH] in range(1, 17)


def test_pages_of_accounts_and_of_hashes_have_all_users_but_deleted_ones(store: Store) -> None:
    imported = Imported("7", "django", (LinkedIdentity("google", "117"),), (SealedTotp("root", "sealed"),))
    accounts = [
        a_whole_account(),
        Account(a_user(username="bob", status="disabled"), None, imported=imported),
        Account(a_user(username="cy", status="deleted"), None),
        Account(a_user(username="dot"), FOREIGN),
    ]
    for account in accounts:
        store.users.add(account)
    listed = sorted((each for each in accounts if each.user.status != "deleted"), key=lambda each: each.user.id)

    assert store.users.page_of_accounts(after=None, limit=2) == listed[:2]
    assert store.users.page_of_accounts(after=listed[1].user.id, limit=2) == listed[2:]
    assert store.users.page_of_hashes(after=None, limit=9) == [(each.user.id, each.password_hash) for each in listed]
    assert store.users.page_of_hashes(after=listed[-1].user.id, limit=9) == []
