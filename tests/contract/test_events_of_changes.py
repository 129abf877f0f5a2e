"""What every store promises about a change of an account and its audit events: they are one write."""

from dataclasses import replace

import pytest

from app.accounts.account import Account
from app.accounts.model import AlreadyThereError
from app.audit.model import AuditEvent
from app.platform.errors import EmailTaken
from app.platform.identifiers import new_id
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_user, an_event
from tests.contract.races import InProcesses, InThreads
from tests.stores import Store, events_of


def added(store: Store, **fields: str) -> Account:
    account = Account(a_user(**fields), HASH)
    store.users.add(account)
    return account


def test_a_new_account_brings_its_events_along(store: Store) -> None:
    account = Account(a_user(), HASH)
    events = [an_event(account.user.id, action) for action in ("user.registered", "email.verified")]
    store.users.add(account, events)
    assert store.users.account(account.user.id) == account
    assert events_of(store, account.user.id) == events[::-1]


def test_a_change_brings_its_events_along(store: Store) -> None:
    account = added(store)
    first, *both = (an_event(account.user.id, action) for action in ("username.changed", "name.changed", "deleted"))
    assert store.users.save(account, [first])
    assert store.users.save(replace(account, password_hash=None, revision=1), both)
    assert store.users.account(account.user.id) == replace(account, password_hash=None, revision=2)
    assert events_of(store, account.user.id) == [*both[::-1], first]


def test_what_is_not_changed_leaves_no_event(store: Store) -> None:
    added(store, email="eve@example.org")
    account, gone = added(store), a_user()
    event = an_event(account.user.id)
    assert not store.users.save(replace(account, revision=7), [event])
    assert not store.users.save(Account(gone, HASH), [an_event(gone.id)])
    taken = replace(account, user=replace(account.user, email="eve@example.org"))
    with pytest.raises(EmailTaken):
        store.users.save(taken, [event])
    with pytest.raises(EmailTaken):
        store.users.add(replace(taken, user=replace(taken.user, id=gone.id)), [an_event(gone.id)])
    with pytest.raises(AlreadyThereError):
        store.users.add(account, [event])
    assert events_of(store, account.user.id) == events_of(store, gone.id) == []


def test_the_event_of_a_deletion_is_stored_and_those_before_it_lose_what_is_personal(store: Store) -> None:
    account = added(store)
    assert store.users.save(account, [an_event(account.user.id)])
    deleted = replace(account, user=replace(account.user, status="deleted"), revision=1)
    end = AuditEvent(new_id(), account.user.id, "user.deleted", NOW, None, None, NOW + DAY)
    assert store.users.save(deleted, [end])
    store.events.anonymise_some(account.user.id, after=None, limit=100)
    store.users.remove(account.user.id)
    assert [(event.action, event.ip) for event in events_of(store, account.user.id)] == [
        ("user.deleted", None), ("password.changed", None),
    ]  # fmt: skip


def test_of_sixteen_threads_that_save_one_account_the_event_of_one_is_stored(
    store: Store, in_threads: InThreads
) -> None:
    account = added(store)
    events = [an_event(account.user.id) for _ in range(16)]
    saved = in_threads(lambda number: store.users.save(account, [events[number]]))
    assert saved.count(True) == 1
    assert events_of(store, account.user.id) == [events[saved.index(True)]]


def test_of_events_of_successive_changes_by_sixteen_threads_none_is_lost_or_there_twice(
    store: Store, in_threads: InThreads
) -> None:
    account = added(store)

    def change(_: int) -> str:
        while True:
            found = store.users.account(account.user.id)
            assert found is not None
            event = an_event(account.user.id)
            if store.users.save(found, [event]):
                return event.id

    ids = in_threads(change)
    assert [event.id for event in events_of(store, account.user.id)] == sorted(ids, reverse=True)


def change_in_turn(store: Store, number: int, turn: int) -> bool:
    """Of four processes one adds the account, and all gather what a crash could have left."""
    account = Account(a_user(id=f"user {turn}", name=f"process {number}"), HASH)
    try:
        store.users.add(account, [an_event(account.user.id)])
    except AlreadyThereError:
        return False
    finally:
        store.events.gather(NOW + MINUTE, 100)
    return True


def test_of_four_processes_that_gather_events_none_stores_one_twice(store: Store, in_processes: InProcesses) -> None:
    for turn, done in enumerate(in_processes(change_in_turn)):
        assert done.count(True) == 1
        assert len(events_of(store, f"user {turn}")) == 1


def test_events_of_changes_during_a_deletion_do_not_reveal_where_the_user_was(
    store: Store, in_threads: InThreads
) -> None:
    for _ in range(5):
        account = added(store)
        assert store.users.save(account, [an_event(account.user.id)])

        def act(number: int, account: Account = account) -> None:
            user_id = account.user.id
            found = store.users.account(user_id)
            while found is not None and found.user.status == "active":
                if number != 8:
                    if store.users.save(found, [an_event(user_id)]):
                        return
                elif store.users.save(replace(found, user=replace(found.user, status="deleted"))):
                    store.events.anonymise_some(user_id, after=None, limit=100)
                    return
                found = store.users.account(user_id)

        in_threads(act)
        store.events.gather(NOW + DAY, 100)
        assert {(event.ip, event.user_agent) for event in events_of(store, account.user.id)} == {(None, None)}
