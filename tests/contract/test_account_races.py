"""What every store promises when an account, or a name, is wanted by many at once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.accounts.account import Account
from app.accounts.principal import Principal
from app.accounts.service import Accounts
from app.audit.service import Audit
from app.audit.signatures import Signer
from app.feature import LiveCallers
from app.platform.errors import EmailTaken, Failure, SessionEnded, UsernameTaken
from app.roles.administrators import Administrators
from app.security.secret_keys import SecretKeys
from app.sessions.live import LiveSessions
from tests.api.service import SETTINGS
from tests.contract.entities import DAY, HASH, NOW, a_session, a_user
from tests.contract.races import THREADS, InProcesses, InThreads
from tests.stores import Store, end_sessions


def added(store: Store, **fields: str) -> Account:
    account = Account(a_user(**fields), HASH)
    store.users.add(account)
    return account


def kept(store: Store, account: Account) -> Account:
    """The account as currently stored."""
    found = store.users.account(account.user.id)
    assert found is not None
    return found


def save(store: Store, account: Account) -> bool | type[Failure]:
    try:
        return store.users.save(account)
    except Failure as failure:
        return type(failure)


def claim(store: Store, account: Account, **names: Any) -> bool | type[Failure]:
    """The outcome of saving the account under other names."""
    return save(store, replace(account, user=replace(account.user, **names)))


def test_of_sixteen_threads_replacing_what_they_all_read_one_succeeds(store: Store, in_threads: InThreads) -> None:
    account = added(store, username="ada")
    versions = [replace(account, user=replace(account.user, name=f"Ada {number}")) for number in range(THREADS)]
    results = in_threads(lambda number: store.users.save(versions[number]))
    assert results.count(True) == 1
    assert kept(store, account) == replace(versions[results.index(True)], revision=1)


def test_of_sixteen_changes_that_are_tried_until_they_succeed_none_is_lost(store: Store, in_threads: InThreads) -> None:
    account = added(store)

    def add_a_role(number: int) -> None:
        changed = False
        while not changed:
            seen = kept(store, account)
            roles = (*seen.user.roles, f"role-{number}")
            changed = store.users.save(replace(seen, user=replace(seen.user, roles=roles)))

    in_threads(add_a_role)
    found = kept(store, account)
    assert sorted(found.user.roles) == sorted(["member", *(f"role-{number}" for number in range(THREADS))])
    assert found.revision == THREADS


def test_of_sixteen_accounts_that_change_to_an_address_one_gets_it(store: Store, in_threads: InThreads) -> None:
    accounts = [added(store, email=f"{number}@example.org") for number in range(THREADS)]
    results = in_threads(lambda number: claim(store, accounts[number], email="Ada@example.com"))
    assert results.count(True) == 1
    assert results.count(EmailTaken) == 15
    winner = store.users.account_by_email("ada@example.com")
    assert winner is not None
    assert winner.user.id == accounts[results.index(True)].user.id
    assert sum(kept(store, account).revision for account in accounts) == 1


def test_of_sixteen_accounts_that_change_to_a_username_one_gets_it(store: Store, in_threads: InThreads) -> None:
    accounts = [added(store, email=f"{number}@example.org") for number in range(THREADS)]
    results = in_threads(lambda number: claim(store, accounts[number], username="ada"))
    assert results.count(True) == 1
    assert results.count(UsernameTaken) == 15


def test_of_those_that_register_a_name_and_those_that_change_to_it_one_gets_it(
    store: Store, in_threads: InThreads
) -> None:
    accounts = [added(store, email=f"{number}@example.org") for number in range(THREADS)]

    def take(number: int) -> bool | type[Failure]:
        if number % 2:
            return claim(store, accounts[number], username="ada")
        try:
            added(store, username="ADA")
        except Failure as failure:
            return type(failure)
        return True

    results = in_threads(take)
    assert results.count(True) == 1
    assert results.count(UsernameTaken) == 15


def test_neither_changes_nor_ends_of_sessions_are_lost_beside_each_other(store: Store, in_threads: InThreads) -> None:
    account = added(store)

    def act(number: int) -> bool:
        if number % 2:
            return end_sessions(store, account.user.id, None)
        return store.users.save(replace(account, user=replace(account.user, name="Ada")))

    results = in_threads(act)
    assert results[1::2] == [True] * 8
    saved = sum(results[::2])
    found = kept(store, account)
    assert saved in {0, 1}
    assert found.auth_epoch == 8
    assert found.revision == 8 + saved
    assert found.user.name == ("Ada" if saved else None)


def test_of_a_change_of_password_and_the_upgrades_of_the_hash_before_one_gets_through(
    store: Store, in_threads: InThreads
) -> None:
    account = added(store)

    def act(number: int) -> bool:
        if number == 8:
            return store.users.save(replace(account, password_hash="new 8"))
        return store.users.replace_hash(account.user.id, HASH, f"new {number}")

    results = in_threads(act)
    assert results.count(True) == 1
    assert kept(store, account) == replace(account, password_hash=f"new {results.index(True)}", revision=1)


def replace_in_turn(store: Store, number: int, turn: int) -> bool:
    """Save the account of this turn as it was added, under a name of this process."""
    account = Account(a_user(id=f"user {turn}", name=f"process {number}"), HASH)
    return store.users.save(account)


def test_of_four_processes_replacing_what_they_all_read_one_succeeds(store: Store, in_processes: InProcesses) -> None:
    accounts = [added(store, id=f"user {turn}") for turn in range(8)]
    for account, results in zip(accounts, in_processes(replace_in_turn), strict=True):
        assert results.count(True) == 1
        found = kept(store, account)
        assert found.user.name == f"process {results.index(True)}"
        assert found.revision == 1


def claim_in_turn(store: Store, number: int, turn: int) -> bool | type[Failure]:
    account = store.users.account(f"user {turn} {number}")
    assert account is not None
    return claim(store, account, username=f"name-{turn}")


def test_of_four_processes_whose_accounts_change_to_a_username_one_gets_it(
    store: Store, in_processes: InProcesses
) -> None:
    for turn in range(8):
        for number in range(4):
            added(store, id=f"user {turn} {number}")
    for turn, results in enumerate(in_processes(claim_in_turn)):
        assert results.count(True) == 1
        assert results.count(UsernameTaken) == 3
        found = store.users.credentials_by_username(f"name-{turn}")
        assert found is not None
        assert found.user.id == f"user {turn} {results.index(True)}"


def accounts_of(
    store: Store,
    permissions_of: Callable[[tuple[str, ...], int | None], frozenset[str]] = lambda _roles, _version: frozenset(),
) -> Accounts:
    """What the services change accounts with."""
    audit = Audit(store.events, lambda: NOW, DAY, Signer(SecretKeys(SETTINGS["SECRET_KEY"])))
    live = LiveSessions(store.sessions, permissions_of, lambda: NOW)
    administrators = Administrators(store.guards, store.users)
    return Accounts(
        store.users,
        LiveCallers({"session": live.present}),
        store.held_emails,
        store.mail_requests,
        audit,
        administrators,
        lambda: NOW,
        mailing=False,
    )


def logged_in(store: Store) -> Principal:
    """A new user, by way of a session of theirs."""
    session = a_session(added(store).user)
    store.sessions.open(session)
    principal = store.sessions.principal(session.id, session.user_id, NOW)
    assert principal is not None
    return principal


def renamed(account: Account, name: str) -> Account:
    return replace(account, user=replace(account.user, name=name))


def end_by_reset(store: Store, principal: Principal) -> None:
    """What the reset of a password does, until it gets through."""
    accounts_of(store).change(principal.user.id, Account.in_new_epoch)


ENDS: dict[str, Callable[[Store, Principal], object]] = {
    "this session": lambda store, principal: store.sessions.end(principal.session_id, principal.user.id),
    "all sessions": lambda store, principal: end_sessions(store, principal.user.id, None),
    "the others": lambda store, principal: end_sessions(store, principal.user.id, "another"),
    "reset": end_by_reset,
}


@pytest.mark.parametrize("way", ENDS)
def test_a_session_that_ends_while_it_changes_its_account_changes_nothing(store: Store, way: str) -> None:
    principal, accounts = logged_in(store), accounts_of(store)

    def change(account: Account) -> Account:
        ENDS[way](store, principal)
        return renamed(account.in_new_epoch(keep=principal.session_id), "changed")

    with pytest.raises(SessionEnded):
        accounts.change(principal.user.id, change, by=principal)

    assert store.sessions.principal(principal.session_id, principal.user.id, NOW) is None
    found = store.users.account(principal.user.id)
    assert found is not None
    assert found.user.name is None


@pytest.mark.parametrize("way", ENDS)
def test_a_change_is_in_before_the_end_of_its_session_returns_or_not_at_all(
    store: Store, in_threads: InThreads, way: str
) -> None:
    accounts = accounts_of(store)
    for turn in range(4):
        principal = logged_in(store)
        at_the_end: list[Account | None] = []

        def act(
            number: int, principal: Principal = principal, turn: int = turn, seen: list[Any] = at_the_end
        ) -> bool | type[Failure]:
            if number == turn:  # not always the first to begin
                ENDS[way](store, principal)
                seen.append(store.users.account(principal.user.id))
                return True
            try:
                accounts.change(principal.user.id, lambda account: renamed(account, f"changed {number}"), by=principal)
            except SessionEnded as ended:
                return type(ended)
            return True

        results = in_threads(act)
        assert set(results) <= {True, SessionEnded}
        assert [store.users.account(principal.user.id)] == at_the_end
