"""What every store promises about products."""

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.accounts.account import Account
from app.accounts.model import User
from app.platform.errors import Unavailable
from app.platform.identifiers import new_id
from app.samples.products.model import SampleProduct
from tests.contract.entities import HASH, NOW, a_session, a_user
from tests.contract.races import ROUNDS, InProcesses, InThreads
from tests.contract.subject import ChangeUser
from tests.stores import Store


def owner(store: Store, **fields: Any) -> User:
    """A user with a session, which has the identifier of the user."""
    user = a_user(**fields)
    store.users.add(Account(user, HASH))
    store.sessions.open(a_session(user, id=user.id))
    return user


def add(store: Store, product: SampleProduct) -> bool:
    """Add a product in the session of its owner."""
    return store.sample_products.add(product, product.owner_id)


def a_product(user: User, **fields: Any) -> SampleProduct:
    plain: dict[str, Any] = {
        "id": new_id(),
        "owner_id": user.id,
        "name": "Desk lamp",
        "price": Decimal("19.99"),
        "description": None,
        "created_at": NOW,
    }
    return SampleProduct(**plain | fields)


def added(store: Store, user: User, **fields: Any) -> SampleProduct:
    product = a_product(user, **fields)
    assert add(store, product)
    return product


def everything(store: Store) -> list[SampleProduct]:
    return store.sample_products.page(after=None, limit=1000)


def identifiers(products: list[SampleProduct]) -> list[str]:
    return [product.id for product in products]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "Gräfin 🧮", "description": "Bends\tboth\r\nways, 🧮."},
        {"name": "x" * 100, "description": "🧮" * 1000},
        {"description": ""},
    ],
    ids=["plain", "described", "long", "empty"],
)
def test_a_product_comes_back_as_it_was_added(store: Store, fields: dict[str, Any]) -> None:
    product = added(store, owner(store), **fields)
    assert everything(store) == [product]
    assert store.sample_products.page_of(product.owner_id, after=None, limit=1) == [product]


@pytest.mark.parametrize(
    "price", ["0.00", "0.01", "0.10", "0.29", "1.10", "19.99", "4.35", "999999999.99", "1000000000.00"]
)
def test_a_price_is_kept_to_the_last_place(store: Store, price: str) -> None:
    """Some of these prices, times 100, are not whole numbers in binary floating point."""
    added(store, owner(store), price=Decimal(price))
    [found] = everything(store)
    assert isinstance(found.price, Decimal)
    assert str(found.price) == price


def test_products_come_in_the_order_of_their_identifiers(store: Store) -> None:
    user, other = owner(store), owner(store)
    ids = [new_id() for _ in range(4)]
    for number in (2, 0, 3, 1):
        added(store, user if number % 2 else other, id=ids[number])
    assert identifiers(everything(store)) == ids
    assert identifiers(store.sample_products.page(after=ids[0], limit=2)) == ids[1:3]
    assert identifiers(store.sample_products.page_of(user.id, after=None, limit=9)) == [ids[1], ids[3]]
    assert identifiers(store.sample_products.page_of(user.id, after=ids[1], limit=9)) == [ids[3]]
    assert store.sample_products.page_of(new_id(), after=None, limit=9) == []


def test_pages_continue_after_a_product_that_is_gone(store: Store) -> None:
    user = owner(store)
    products = [added(store, user) for _ in range(4)]
    assert store.sample_products.remove(products[1].id, user.id)
    assert store.sample_products.page(after=products[1].id, limit=9) == products[2:]
    assert store.sample_products.page_of(user.id, after=products[1].id, limit=9) == products[2:]


def test_only_its_owner_removes_a_product_and_once(store: Store) -> None:
    user, other = owner(store), owner(store)
    product = added(store, user)
    assert not store.sample_products.remove(product.id, other.id)
    assert everything(store) == [product]
    assert store.sample_products.remove(product.id, user.id)
    assert not store.sample_products.remove(product.id, user.id)
    assert everything(store) == []


@pytest.mark.parametrize("identifier", ["", "x", "019a9d5c", "' OR 1=1", "é" * 100, "x" * 5000])
def test_a_malformed_identifier_finds_no_product(store: Store, identifier: str) -> None:
    product = added(store, owner(store))
    assert not store.sample_products.remove(identifier, product.owner_id)
    assert not store.sample_products.remove(product.id, identifier)
    assert everything(store) == [product]


def test_the_products_of_one_owner_are_removed_some_at_a_time(store: Store) -> None:
    user, other = owner(store), owner(store)
    theirs = added(store, other)
    for _ in range(5):
        added(store, user)
    assert [store.sample_products.remove_some_of(user.id, 2) for _ in range(4)] == [2, 2, 1, 0]
    assert everything(store) == [theirs]


def test_only_active_users_can_add_products(store: Store, change_user: ChangeUser) -> None:
    deleted, disabled, removed = (owner(store) for _ in range(3))
    change_user(deleted.id, status="deleted")
    change_user(disabled.id, status="disabled")
    store.users.remove(removed.id)
    for user in (deleted, disabled, removed):
        assert not add(store, a_product(user))
    assert everything(store) == []


def test_no_product_is_made_in_a_session_that_is_not_live(store: Store, change_user: ChangeUser) -> None:
    user, other = owner(store), owner(store)
    idle = a_session(user, idle_expires_at=NOW)
    store.sessions.open(idle)
    kept = a_session(user)
    store.sessions.open(kept)
    for session_id in (idle.id, other.id, new_id()):
        assert not store.sample_products.add(a_product(user), session_id)
    change_user(user.id, auth_epoch=1, kept_session=kept.id)
    assert not add(store, a_product(user))
    assert everything(store) == []
    assert store.sample_products.add(a_product(user), kept.id)


def test_without_a_session_the_owner_has_to_be_active(store: Store, change_user: ChangeUser) -> None:
    user = owner(store)
    made = a_product(user)
    assert store.sample_products.add(made, None)
    change_user(user.id, status="disabled")
    assert not store.sample_products.add(a_product(user), None)
    assert not store.sample_products.add(a_product(a_user()), None)
    assert everything(store) == [made]


def test_pages_neither_skip_nor_repeat_a_product_while_others_come_and_go(store: Store, in_threads: InThreads) -> None:
    user, other = owner(store), owner(store)
    lasting = [added(store, user) for _ in range(20)]

    def act(number: int) -> list[SampleProduct]:
        if number % 2:
            for owner_of_it in (user, other):
                come_and_go(store, owner_of_it)
            return lasting
        return read_in_pages(store, behind_all=lasting[-1].id)

    for seen in in_threads(act):
        assert identifiers(seen) == sorted(set(identifiers(seen)))
        assert [product for product in seen if product in lasting] == lasting


def come_and_go(store: Store, user: User) -> None:
    """Add and remove a product; so many at once may be more than a busy store can take."""
    product = a_product(user)
    with suppress(Unavailable):
        add(store, product)
    with suppress(Unavailable):
        store.sample_products.remove(product.id, user.id)


def read_in_pages(store: Store, behind_all: str) -> list[SampleProduct]:
    """The products on pages of three, up to this identifier."""
    seen: list[SampleProduct] = []
    while not seen or seen[-1].id < behind_all:
        with suppress(Unavailable):
            page = store.sample_products.page(after=seen[-1].id if seen else None, limit=3)
            assert page
            seen += page
    return seen


def test_of_sixteen_threads_removing_a_product_one_succeeds(store: Store, in_threads: InThreads) -> None:
    user = owner(store)
    product = added(store, user)
    assert in_threads(lambda _: store.sample_products.remove(product.id, user.id)).count(True) == 1


def delete_owner(store: Store, user_id: str) -> None:
    """What `app/accounts/deletion.py` does: first the write, then the erasure; again when the store is too busy."""
    deleted = False
    while not deleted:
        with suppress(Unavailable):
            account = store.users.account(user_id)
            assert account is not None
            gone = replace(account, user=replace(account.user, status="deleted"))
            if account.user.status == "deleted" or store.users.save(gone):
                store.sample_products.remove_some_of(user_id, 500)
                deleted = True


def add_for(store: Store, user: User) -> None:
    """Add a number of products, or until that is no longer possible."""
    for _ in range(5):
        with suppress(Unavailable):
            if not add(store, a_product(user)):
                break


def test_a_product_that_is_added_while_its_owner_is_deleted_does_not_remain(
    store: Store, in_threads: InThreads
) -> None:
    for turn in range(4):
        user = owner(store)

        def act(number: int, user: User = user, turn: int = turn) -> None:
            if number == turn:  # not always the first to begin
                delete_owner(store, user.id)
            else:
                add_for(store, user)

        in_threads(act)
        assert store.sample_products.page_of(user.id, after=None, limit=1000) == []


def add_or_delete(store: Store, number: int, turn: int) -> None:
    """One process deletes the user of this turn; the others add products for that user."""
    user = a_user(id=f"user {turn}")
    if number == 0:
        add(store, a_product(user))
        delete_owner(store, user.id)
    else:
        add_for(store, user)


def test_no_product_remains_when_one_process_deletes_the_owner_while_others_add(
    store: Store, in_processes: InProcesses
) -> None:
    for turn in range(ROUNDS):
        owner(store, id=f"user {turn}")
    in_processes(add_or_delete)
    assert everything(store) == []


def test_a_product_is_in_before_the_end_of_its_session_returns_or_not_at_all(
    store: Store, in_threads: InThreads
) -> None:
    for turn in range(4):
        user = owner(store)
        at_the_end: list[list[SampleProduct]] = []

        def act(number: int, user: User = user, turn: int = turn, seen: list[list[SampleProduct]] = at_the_end) -> bool:
            if number != turn:
                return bool(add(store, a_product(user)))
            store.sessions.end(user.id, user.id)
            seen.append(store.sample_products.page_of(user.id, after=None, limit=1000))
            return True

        results = in_threads(act)
        made = store.sample_products.page_of(user.id, after=None, limit=1000)
        assert len(made) == results.count(True) - 1
        assert set(identifiers(made)) <= set(identifiers(at_the_end[0]))
