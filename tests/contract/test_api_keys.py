"""What every store promises about API keys, and about keys that are made while others are, or while accounts end."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import pytest

from app.accounts.account import Account
from app.accounts.deletion import DeletionService
from app.accounts.model import User
from app.accounts.principal import Principal
from app.accounts.service import Accounts
from app.accounts.under_way import ListedKey
from app.api_keys.authenticator import ApiKeyAuthenticator
from app.api_keys.live import LiveKeys
from app.api_keys.model import KEPT_EXPIRED, FoundKey
from app.api_keys.service import ApiKeyService, KeyRules, NewKey
from app.platform.devices import Device
from app.platform.errors import Failure, Forbidden, InvalidToken, SessionEnded, TooManyApiKeys
from app.platform.identifiers import new_id
from app.roles.model import Role, RoleBook
from app.roles.service import Roles
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_session, a_user, an_api_key
from tests.contract.races import InThreads
from tests.contract.subject import ChangeUser
from tests.contract.test_account_races import accounts_of
from tests.stores import Store

if TYPE_CHECKING:
    from app.accounts.credentials import CredentialService

DEVICE = Device("192.0.2.1", "curl/8.5.0")
READS = NewKey("Reads", ("users:read",))


@pytest.fixture
def ada(store: Store) -> User:
    user = a_user(email="ada@example.org", username="ada", name="Ada 🧮", roles=("reader", "member"))
    store.users.add(Account(user, HASH))
    return user


def listing(store: Store, user: User, *key_ids: str) -> None:
    """Have the account list these keys."""
    account = store.users.account(user.id)
    assert account is not None
    assert store.users.save(replace(account, listed_keys=tuple(ListedKey(key_id, NOW + DAY) for key_id in key_ids)))


def found(store: Store, key_id: str) -> FoundKey:
    result = store.api_keys.find(key_id)
    assert result is not None
    return result


def test_a_key_leads_to_its_user_and_the_version_of_the_roles(store: Store, ada: User) -> None:
    key = an_api_key(ada)
    assert store.api_keys.add(key)
    assert found(store, key.id) == FoundKey(key, ada, listed=False, roles_version=0)
    assert store.role_books.save(RoleBook().with_role(Role("reader", ("users:read",))))
    listing(store, ada, new_id(), key.id)
    assert found(store, key.id) == FoundKey(key, ada, listed=True, roles_version=1)
    listing(store, ada, new_id())
    assert not found(store, key.id).listed
    assert store.api_keys.find(new_id()) is None


@pytest.mark.parametrize("status", ["disabled", "invited", "deleted"])
def test_the_status_of_the_user_comes_with_the_key(
    store: Store, ada: User, change_user: ChangeUser, status: str
) -> None:
    key = an_api_key(ada, permissions=(), name="x" * 100)
    assert store.api_keys.add(key)
    change_user(ada.id, status=status)  # type: ignore[arg-type]
    assert found(store, key.id) == FoundKey(key, replace(ada, status=status), listed=False, roles_version=0)  # type: ignore[arg-type]


def test_a_key_of_nobody_is_not_kept(store: Store) -> None:
    key = an_api_key(a_user())
    assert not store.api_keys.add(key)
    assert store.api_keys.some([key.id]) == []


def test_keys_are_found_by_their_identifiers_oldest_first(store: Store, ada: User) -> None:
    keys = [an_api_key(ada, last_used_at=NOW + MINUTE if number else None) for number in range(4)]
    for key in reversed(keys):
        assert store.api_keys.add(key)
    assert store.api_keys.some([keys[3].id, keys[0].id, new_id(), keys[1].id]) == [keys[0], keys[1], keys[3]]
    assert store.api_keys.some([]) == []


def test_the_keys_of_all_come_in_pages(store: Store, ada: User) -> None:
    bob = a_user(username="bob")
    store.users.add(Account(bob, HASH))
    keys = [an_api_key(owner) for owner in (ada, bob, ada)]
    for key in keys:
        assert store.api_keys.add(key)
    listing(store, bob, keys[1].id)
    page = store.api_keys.page(after=None, limit=2)
    assert [(each.key, each.user, each.listed) for each in page] == [(keys[0], ada, False), (keys[1], bob, True)]
    assert [each.key for each in store.api_keys.page(after=keys[1].id, limit=2)] == [keys[2]]


def test_the_last_use_never_goes_back(store: Store, ada: User) -> None:
    key, other = an_api_key(ada), an_api_key(ada)
    assert store.api_keys.add(key)
    assert store.api_keys.add(other)
    store.api_keys.touch(key.id, NOW + MINUTE)
    store.api_keys.touch(key.id, NOW)
    assert found(store, key.id).key == replace(key, last_used_at=NOW + MINUTE)
    assert found(store, other.id).key == other


def test_a_key_is_removed_alone_or_with_all_of_its_user(store: Store, ada: User) -> None:
    bob = a_user(username="bob")
    store.users.add(Account(bob, HASH))
    keys, theirs = [an_api_key(ada) for _ in range(5)], an_api_key(bob)
    for key in (*keys, theirs):
        assert store.api_keys.add(key)
    store.api_keys.remove(keys[0].id)
    store.api_keys.remove(keys[0].id)
    assert store.api_keys.some([key.id for key in keys]) == keys[1:]
    assert store.api_keys.remove_some_of(ada.id, 3) == 3
    assert store.api_keys.remove_some_of(ada.id, 3) == 1
    assert store.api_keys.remove_some_of(ada.id, 3) == 0
    assert found(store, theirs.id).key == theirs


def test_a_key_is_kept_for_a_while_after_it_expired(store: Store, ada: User) -> None:
    keys = [an_api_key(ada, expires_at=NOW + number * MINUTE) for number in range(4)]
    for key in keys:
        assert store.api_keys.add(key)
    assert store.api_keys.delete_expired(NOW + 2 * MINUTE, 10) == 0
    assert store.api_keys.delete_expired(NOW + 2 * MINUTE + KEPT_EXPIRED, 2) == 2
    assert store.api_keys.delete_expired(NOW + 2 * MINUTE + KEPT_EXPIRED, 2) == 1
    assert store.api_keys.some([key.id for key in keys]) == keys[3:]


@dataclass
class Instance:
    """The rules about keys, over a store."""

    store: Store
    most: int = 5
    accounts: Accounts = field(init=False)
    live: LiveKeys = field(init=False)
    keys: ApiKeyService = field(init=False)

    def __post_init__(self) -> None:
        roles = Roles(self.store.role_books, frozenset({"users:read", "users:write"}))
        self.accounts = accounts_of(self.store)
        self.live = LiveKeys(self.store.api_keys, roles.permissions_of, lambda: NOW)
        self.keys = ApiKeyService(self.store.api_keys, self.accounts, roles, KeyRules(90, 365, self.most))

    def principal(self, user: User) -> Principal:
        session = a_session(user)
        assert self.store.sessions.open(session)
        return Principal(user, session.id, NOW, NOW, frozenset({"users:read"}))

    def create(self, by: Principal) -> str | type[Failure]:
        try:
            return self.keys.create(by.user.id, READS, DEVICE, by=by).text
        except Failure as failure:
            return type(failure)

    def use(self, key: str) -> frozenset[str] | type[Failure]:
        """What a key allows now."""
        try:
            return ApiKeyAuthenticator(self.store.api_keys, self.live, lambda: NOW).authenticate(key).permissions
        except Failure as failure:
            return type(failure)


@pytest.fixture
def instance(store: Store) -> Instance:
    assert store.role_books.save(RoleBook().with_role(Role("reader", ("users:read",))))
    return Instance(store)


def test_a_key_gets_no_more_than_the_caller_who_makes_it_holds(instance: Instance, ada: User) -> None:
    assert instance.create(replace(instance.principal(ada), permissions=frozenset())) is Forbidden
    assert instance.keys.list_of(ada.id) == []


def test_of_sixteen_keys_at_once_no_more_are_made_than_there_may_be(
    instance: Instance, ada: User, in_threads: InThreads
) -> None:
    by = instance.principal(ada)
    results = in_threads(lambda _: instance.create(by))
    assert Counter(result for result in results if not isinstance(result, str)) == {TooManyApiKeys: 11}
    assert [instance.use(key) for key in results if isinstance(key, str)] == [frozenset({"users:read"})] * 5
    assert len(instance.keys.list_of(ada.id)) == 5
    assert instance.store.api_keys.remove_some_of(ada.id, 100) == 5
    actions = [event.action for event in instance.store.events.page_of(ada.id, before=None, limit=100)]
    assert actions.count("api_key.created") == 5


def test_no_key_of_an_account_that_is_deleted_meanwhile_works(
    instance: Instance, ada: User, in_threads: InThreads
) -> None:
    by = instance.principal(ada)
    no_password = cast("CredentialService", None)
    deletion = DeletionService(instance.accounts, no_password, (instance.keys.erase,))

    def act(number: int) -> str | type[Failure]:
        if number == 7:
            deletion.delete_if(ada.id, lambda account: account, DEVICE, action="user.deleted")
            return SessionEnded
        return instance.create(by)

    results = in_threads(act)
    assert {instance.use(key) for key in results if isinstance(key, str)} <= {InvalidToken, SessionEnded}
    for _ in instance.keys.erase(ada.id):  # as the courier does once more
        pass
    assert instance.store.api_keys.remove_some_of(ada.id, 100) == 0


def test_of_sixteen_reports_and_deletions_of_a_key_one_ends_it(
    instance: Instance, ada: User, in_threads: InThreads
) -> None:
    key = instance.create(instance.principal(ada))
    assert isinstance(key, str)
    (stored,) = instance.keys.list_of(ada.id)

    def act(number: int) -> frozenset[str] | type[Failure] | None:
        if number % 4 == 0:
            instance.keys.report_leaked(key)
        elif number % 4 == 1:
            try:
                instance.keys.delete(ada.id, stored.id, DEVICE, by=None)
            except Failure as failure:
                return type(failure)
        else:
            return instance.use(key)
        return None

    results = in_threads(act)
    assert set(results[2::4] + results[3::4]) <= {frozenset({"users:read"}), InvalidToken}
    assert instance.use(key) is InvalidToken
    events = instance.store.events.page_of(ada.id, before=None, limit=100)
    assert sum(event.action in {"api_key.leaked", "api_key.deleted"} for event in events) == 1


def test_a_key_that_ended_is_live_for_nobody(instance: Instance, ada: User) -> None:
    by = instance.principal(ada)
    key = instance.create(by)
    assert isinstance(key, str)
    principal = ApiKeyAuthenticator(instance.store.api_keys, instance.live, lambda: NOW).authenticate(key)
    assert instance.live.present(principal) == principal
    listing(instance.store, ada)
    assert instance.live.present(principal) is None


def test_an_end_raises_the_revision_of_the_account(instance: Instance, ada: User) -> None:
    by = instance.principal(ada)
    assert isinstance(instance.create(by), str)
    (stored,) = instance.keys.list_of(ada.id)
    before = instance.store.users.account(ada.id)
    assert before is not None
    instance.keys.delete(ada.id, stored.id, DEVICE, by=None)
    assert not instance.store.users.save(before), "a change that found the key live has to be tried again"
