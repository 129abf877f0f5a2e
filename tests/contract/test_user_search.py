"""What every store promises about finding users."""

from dataclasses import replace

import pytest

from app.accounts.account import Account
from app.administration.model import FoundUser, KeyName, StoredKeys, UserSearch
from app.administration.search import UserFinder, UserQuery
from app.platform.identifiers import new_id
from tests.contract.entities import HASH, a_user
from tests.contract.races import InThreads
from tests.stores import Store

KEYS: tuple[KeyName, ...] = ("email_key", "username_key", "name_key")


def search(store: Store) -> UserSearch:
    return store.repository(UserSearch)


def add(store: Store, **fields: object) -> str:
    user = a_user(**fields)
    store.users.add(Account(user, HASH))
    return user.id


def ids(found: list[FoundUser]) -> list[str]:
    return [each.user.id for each in found]


def by_key(store: Store, name: KeyName, prefix: str, *, key: str = "", after: str = "", limit: int = 50) -> list[str]:
    return ids(search(store).by_key(name, prefix, key=key, after=after, limit=limit))


def test_a_user_comes_back_with_the_keys_of_their_names(store: Store) -> None:
    user = a_user(email="Ada@Bücher.example", username="Ada_L", name="Ada Lovelace, GRÄFIN")
    store.users.add(Account(user, HASH))
    expected = FoundUser(user, "ada@xn--bcher-kva.example", "ada_l", "ada lovelace, gräfin")
    assert search(store).by_id("", 10) == [expected]
    nobody = a_user()
    store.users.add(Account(nobody, HASH))
    assert search(store).by_id(user.id, 10) == [FoundUser(nobody)]


@pytest.mark.parametrize("name", KEYS)
def test_a_prefix_finds_what_begins_with_it_in_the_order_of_bytes(store: Store, name: KeyName) -> None:
    field = name.removesuffix("_key")
    texts = ["an", "ann", "ann-", "ann.b", "anna", "ann_", "anä", "ao", "am\U0010fffe"]
    if field == "email":
        texts = [f"{text}@example.com" for text in texts if text.isascii()]
    if field == "username":
        texts = [text for text in texts if text.isascii()]
    users = {text: add(store, **{field: text.upper() if field != "name" else text}) for text in texts}
    add(store, username="other", email="other@example.com", name="other")
    for prefix in ("an", "ann", "ann.", "z", "anä"):
        wanted = [users[text] for text in sorted(texts, key=str.encode) if text.startswith(prefix)]
        assert by_key(store, name, prefix) == wanted
        assert by_key(store, name, prefix, limit=2) == wanted[:2]


@pytest.mark.parametrize("name", KEYS)
def test_the_next_ones_are_behind_the_last_one(store: Store, name: KeyName) -> None:
    field = name.removesuffix("_key")
    texts = [f"ann{number}@example.com" if field == "email" else f"ann{number}" for number in range(5)]
    users = [add(store, **{field: text}) for text in texts]
    assert by_key(store, name, "ann", key=texts[1], after=users[1], limit=2) == users[2:4]
    assert by_key(store, name, "ann", key=texts[4], after=users[4]) == []


def test_those_of_the_same_name_are_in_the_order_of_identifiers(store: Store) -> None:
    users = [add(store, name=name) for name in ("Ann", "ANN", "ann", "Anna")]
    assert by_key(store, "name_key", "ann") == users
    for number, key in enumerate(["ann", "ann", "ann"]):
        assert by_key(store, "name_key", "ann", key=key, after=users[number]) == users[number + 1 :]
        assert by_key(store, "name_key", "ann", key=key, after=users[number], limit=1) == users[number + 1 : number + 2]


def test_users_are_found_by_role_and_by_status(store: Store) -> None:
    roles = [("member",), ("member", "editor"), ("editor",), ("editor-in-chief",), ()]
    users = [add(store, roles=each) for each in roles]
    disabled = [add(store, roles=("editor",), status="disabled") for _ in range(3)]
    assert ids(search(store).by_role("editor", "", 50)) == [users[1], users[2], *disabled]
    assert ids(search(store).by_role("editor", users[1], 2)) == [users[2], disabled[0]]
    assert ids(search(store).by_role("nobody", "", 50)) == []
    assert ids(search(store).by_status("disabled", "", 2)) == disabled[:2]
    assert ids(search(store).by_status("disabled", disabled[1], 2)) == disabled[2:]
    assert ids(search(store).by_status("invited", "", 2)) == []
    assert ids(search(store).by_id("", 50)) == [*users, *disabled]


def test_a_change_of_an_account_is_found_from_then_on(store: Store) -> None:
    user_id = add(store, name="Ann", roles=("editor",))
    account = store.users.account(user_id)
    assert account is not None
    store.users.save(account.with_user(name="Bob", roles=("member",), status="disabled"))
    assert by_key(store, "name_key", "ann") == ids(search(store).by_role("editor", "", 5)) == []
    assert by_key(store, "name_key", "bob") == ids(search(store).by_status("disabled", "", 5)) == [user_id]
    account = store.users.account(user_id)
    assert account is not None
    store.users.save(account.with_user(name=None))
    assert by_key(store, "name_key", "bob") == []
    store.users.remove(user_id)
    assert search(store).by_id("", 5) == []


def test_keys_are_replaced_while_name_and_status_are_the_same(store: Store) -> None:
    user_id = add(store, name="Ann", status="disabled")
    nameless = add(store)
    stored = StoredKeys(user_id, "Ann", "disabled", "ann", "disabled")
    plain = StoredKeys(nameless, None, "active", None, None)
    assert search(store).keys("", 50) == [stored, plain]
    assert search(store).keys(user_id, 50) == [plain]
    former = replace(stored, name_key=None, listed_status=None)
    search(store).set_keys(former)
    assert search(store).keys("", 1) == [former]
    assert ids(search(store).by_status("disabled", "", 50)) == []
    for other in ({"name": "Another"}, {"name": None}, {"status": "active"}, {"user_id": new_id()}):
        search(store).set_keys(replace(stored, **other))
    assert search(store).keys("", 1) == [former]
    search(store).set_keys(replace(plain, name_key="left behind"))
    search(store).set_keys(replace(plain, name_key="left behind", listed_status="invited"))
    assert UserFinder(search(store), ("member",)).mend_keys() == 2
    assert search(store).keys("", 50) == [stored, plain]


def test_pages_beside_changes_have_everybody_who_stays_once(store: Store, in_threads: InThreads) -> None:
    finder = UserFinder(search(store), ("member",))
    stay = [add(store, name=f"ann {number:02}", email=f"ann{number}@example.com") for number in range(20)]
    come = [add(store, name=f"ann {number:02}x") for number in range(15)]

    def act(number: int) -> list[str]:
        if number:  # a newcomer is renamed over and over
            for turn in range(5):
                account = store.users.account(come[number - 1])
                assert account is not None
                store.users.save(account.with_user(name=f"ann {turn * 7 % 30:02}"))
            return []
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = finder.page(UserQuery(q="ann"), cursor=cursor, limit=3)
            seen += [user.id for user in page.users]
            if (cursor := page.next) is None:
                return seen

    seen, *_ = in_threads(act)
    in_order = sorted(range(len(stay)), key=lambda number: f"ann{number}@example.com")
    assert [each for each in seen if each in stay] == [stay[number] for number in in_order]
