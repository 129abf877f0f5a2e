"""What every store promises about users."""

from dataclasses import replace

import pytest

from app.accounts.account import Account
from app.accounts.model import Credentials, User
from app.platform.errors import EmailTaken, Failure, UsernameTaken
from app.platform.identifiers import new_id
from tests.contract.entities import HASH, MINUTE, NOW, a_session, a_user
from tests.contract.races import InProcesses, InThreads
from tests.contract.subject import ChangeUser
from tests.stores import Store

EVERYTHING = {
    "email": "Ada.Lovelace@Example.ORG",
    "email_verified": True,
    "username": "Ada_L",
    "name": "Ada Lovelace 🧮, Gräfin",
    "roles": ("admin", "member"),
}


def attempt(store: Store, user: User) -> type[Failure] | None:
    """The failure that adding the user gives."""
    try:
        store.users.add(Account(user, HASH))
    except Failure as failure:
        return type(failure)
    return None


def test_a_user_comes_back_as_added(store: Store) -> None:
    user = a_user(**EVERYTHING)
    store.users.add(Account(user, HASH))
    expected = Credentials(user, HASH, 0)
    assert store.users.credentials_by_email("ada.lovelace@example.org") == expected
    assert store.users.credentials_by_username("ada_l") == expected
    assert store.users.page(after=None, limit=1, active_only=True) == [user]


def test_what_a_user_does_not_have_comes_back_as_none(store: Store) -> None:
    user = a_user(username="grace")
    store.users.add(Account(user, HASH))
    assert store.users.credentials_by_username("grace") == Credentials(user, HASH, 0)


def test_times_come_back_aware_in_utc(store: Store) -> None:
    store.users.add(Account(a_user(username="grace", last_login_at=NOW + MINUTE), HASH))
    found = store.users.credentials_by_username("grace")
    assert found is not None
    assert found.user.created_at.isoformat() == NOW.isoformat()
    assert found.user.last_login_at is not None
    assert found.user.last_login_at.isoformat() == (NOW + MINUTE).isoformat()


def test_an_unknown_key_finds_nobody(store: Store) -> None:
    store.users.add(Account(a_user(email="ada@example.org", username="ada"), HASH))
    assert store.users.credentials_by_email("ada") is None
    assert store.users.credentials_by_username("ada@example.org") is None
    assert store.users.credentials_by_email("Ada@example.org") is None


def test_a_user_is_found_whatever_the_status(store: Store) -> None:
    user = a_user(email="ada@example.org", status="disabled")
    store.users.add(Account(user, HASH))
    assert store.users.credentials_by_email("ada@example.org") == Credentials(user, HASH, 0)


@pytest.mark.parametrize("email", ["Ada@Example.org", "ADA@EXAMPLE.ORG", "ada@example.org"])
def test_an_email_is_taken_in_whatever_case(store: Store, email: str) -> None:
    store.users.add(Account(a_user(email="ada@example.ORG"), HASH))
    assert attempt(store, a_user(email=email)) is EmailTaken


def test_an_international_domain_is_the_same_in_both_its_forms(store: Store) -> None:
    user = a_user(email="ada@Bücher.example")
    store.users.add(Account(user, HASH))
    assert store.users.credentials_by_email("ada@xn--bcher-kva.example") == Credentials(user, HASH, 0)
    assert attempt(store, a_user(email="ada@xn--bcher-kva.example")) is EmailTaken


def test_a_username_is_taken_in_whatever_case(store: Store) -> None:
    store.users.add(Account(a_user(username="Ada.L"), HASH))
    assert attempt(store, a_user(username="aDA.l")) is UsernameTaken


@pytest.mark.parametrize("other", ["ada-l", "ada", "ada.l.", "äda.l"])
def test_names_that_differ_in_more_than_case_coexist(store: Store, other: str) -> None:
    store.users.add(Account(a_user(username="ada.l"), HASH))
    assert attempt(store, a_user(username=other, email=f"{len(other)}@example.org")) is None


def test_the_email_is_reported_first_when_both_are_taken(store: Store) -> None:
    store.users.add(Account(a_user(username="ada"), HASH))
    store.users.add(Account(a_user(email="ada@example.org"), HASH))
    assert attempt(store, a_user(email="ada@example.org", username="ada")) is EmailTaken
    assert attempt(store, a_user(email="other@example.org", username="ada")) is UsernameTaken


def test_a_refused_user_leaves_nothing_behind(store: Store) -> None:
    store.users.add(Account(a_user(username="ada"), HASH))
    assert attempt(store, a_user(email="new@example.org", username="ada")) is UsernameTaken
    assert store.users.credentials_by_email("new@example.org") is None
    assert attempt(store, a_user(email="new@example.org")) is None


def test_users_without_email_or_without_username_coexist(store: Store) -> None:
    users = [
        a_user(username="a"), a_user(username="b"), a_user(email="a@example.org"), a_user(email="b@example.org"),
    ]  # fmt: skip
    assert [attempt(store, user) for user in users] == [None] * 4
    assert set(store.users.page(after=None, limit=10, active_only=False)) == set(users)


def test_a_hash_is_replaced_only_while_the_verified_one_is_current(store: Store) -> None:
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))
    assert not store.users.replace_hash(user.id, "another", "new")
    assert not store.users.replace_hash(new_id(), HASH, "new")
    assert store.users.credentials_by_username("ada") == Credentials(user, HASH, 0)
    assert store.users.replace_hash(user.id, HASH, "new")
    assert store.users.credentials_by_username("ada") == Credentials(user, "new", 0)
    assert not store.users.replace_hash(user.id, HASH, "newer")


def test_replacing_a_hash_touches_nobody_else(store: Store) -> None:
    ada, eve = a_user(username="ada"), a_user(username="eve")
    for user in (ada, eve):
        store.users.add(Account(user, HASH))
    assert store.users.replace_hash(ada.id, HASH, "new")
    assert store.users.credentials_by_username("eve") == Credentials(eve, HASH, 0)


def test_credentials_carry_the_epoch_of_the_moment(store: Store, change_user: ChangeUser) -> None:
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))
    change_user(user.id, auth_epoch=7)
    assert store.users.credentials_by_username("ada") == Credentials(user, HASH, 7)


def test_pages_follow_the_order_of_identifiers(store: Store) -> None:
    users = [a_user(username=f"user{number}") for number in range(5)]
    for number in (3, 0, 4, 1, 2):
        store.users.add(Account(users[number], HASH))
    assert store.users.page(after=None, limit=2, active_only=False) == users[:2]
    assert store.users.page(after=users[1].id, limit=2, active_only=False) == users[2:4]
    assert store.users.page(after=users[3].id, limit=2, active_only=False) == users[4:]
    assert store.users.page(after=users[4].id, limit=2, active_only=False) == []


def test_a_page_of_active_users_is_full_of_active_users(store: Store, change_user: ChangeUser) -> None:
    users = [a_user(username=f"user{number}") for number in range(6)]
    for user in users:
        store.users.add(Account(user, HASH))
    for user in (users[0], users[2]):
        change_user(user.id, status="disabled")
    disabled = replace(users[0], status="disabled")
    assert store.users.page(after=None, limit=1, active_only=False) == [disabled]
    assert store.users.page(after=None, limit=2, active_only=True) == [users[1], users[3]]
    assert store.users.page(after=users[3].id, limit=2, active_only=True) == users[4:]


def test_a_deleted_user_is_on_no_page(store: Store, change_user: ChangeUser) -> None:
    users = [a_user(username=f"user{number}") for number in range(4)]
    for user in users:
        store.users.add(Account(user, HASH))
    change_user(users[0].id, status="deleted")
    change_user(users[2].id, status="deleted")
    assert store.users.page(after=None, limit=2, active_only=False) == [users[1], users[3]]
    assert store.users.page(after=None, limit=2, active_only=True) == [users[1], users[3]]


def test_users_who_come_meanwhile_neither_hide_nor_repeat_others(store: Store) -> None:
    users = [a_user(username=f"user{number}") for number in range(4)]
    for user in users:
        store.users.add(Account(user, HASH))
    first = store.users.page(after=None, limit=2, active_only=False)
    newcomer = a_user(username="newcomer")
    store.users.add(Account(newcomer, HASH))
    rest = store.users.page(after=first[-1].id, limit=10, active_only=False)
    assert [*first, *rest] == [*users, newcomer]


def test_a_login_shows_in_the_user(store: Store) -> None:
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))
    store.sessions.open(a_session(user))
    assert store.users.page(after=None, limit=1, active_only=True) == [replace(user, last_login_at=NOW)]


def test_of_sixteen_threads_that_register_an_address_one_wins(store: Store, in_threads: InThreads) -> None:
    results = in_threads(lambda number: attempt(store, a_user(email="ada@example.org", username=f"u{number}")))
    assert results.count(None) == 1
    assert results.count(EmailTaken) == 15
    assert len(store.users.page(after=None, limit=50, active_only=False)) == 1


def test_of_sixteen_threads_that_register_a_name_one_wins(store: Store, in_threads: InThreads) -> None:
    results = in_threads(lambda number: attempt(store, a_user(email=f"{number}@example.org", username="ada")))
    assert results.count(None) == 1
    assert results.count(UsernameTaken) == 15


def test_sixteen_threads_that_register_different_users_all_win(store: Store, in_threads: InThreads) -> None:
    results = in_threads(lambda number: attempt(store, a_user(email=f"{number}@example.org", username=f"u{number}")))
    assert results == [None] * 16


def register(store: Store, number: int, turn: int) -> type[Failure] | None:
    return attempt(store, a_user(email=f"{turn}@example.org", username=f"{turn}-{number}"))


def test_of_four_processes_that_register_an_address_one_wins(store: Store, in_processes: InProcesses) -> None:
    for results in in_processes(register):
        assert results.count(None) == 1
        assert results.count(EmailTaken) == 3
    assert len(store.users.page(after=None, limit=50, active_only=False)) == 8


def test_of_sixteen_threads_that_replace_a_hash_one_wins(store: Store, in_threads: InThreads) -> None:
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))
    results = in_threads(lambda number: store.users.replace_hash(user.id, HASH, f"new {number}"))
    assert results.count(True) == 1
    found = store.users.credentials_by_username("ada")
    assert found is not None
    assert found.password_hash == f"new {results.index(True)}"
