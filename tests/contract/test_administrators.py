"""What every store promises about administrators: one always remains, and another can always leave."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.accounts.account import Account
from app.accounts.former_leavers import FormerLeavers
from app.platform.errors import Failure, LastAdmin, SessionEnded, Unavailable, WrongPassword
from app.roles.administrators import GUARD, Administrators
from app.roles.model import Guard, all_with_role
from tests.contract.entities import HASH, NOW, a_user
from tests.contract.races import InProcesses, InThreads
from tests.contract.test_account_races import accounts_of
from tests.stores import Store, end_sessions

BOTH = 2
PATIENCE = 5
TURNS = 6


def administrators_of(store: Store) -> Administrators:
    return Administrators(store.guards, store.users)


def guarded(store: Store) -> set[str]:
    guard = store.guards.load(GUARD)
    return set() if guard is None else set(guard.ids)


def administrator(store: Store) -> str:
    """Add an administrator of whom the guard knows nothing, as the former version does."""
    user = a_user(roles=("admin", "member"))
    store.users.add(Account(user, HASH))
    return user.id


def demoted(account: Account) -> Account:
    return account.with_user(roles=("member",))


def disabled(account: Account) -> Account:
    return account.with_user(status="disabled")


def deleted(account: Account) -> Account:
    return account.deleted(roles=(), claimed_until=NOW, now=NOW)


def change(store: Store, user_id: str, step: Callable[[Account], Account]) -> bool | type[Failure]:
    """What came of it; on a busy machine a database may be late, and is asked again."""
    for _ in range(PATIENCE):
        try:
            accounts_of(store).change(user_id, step)
        except Unavailable:
            continue
        except Failure as failure:
            return type(failure)
        return True
    raise Unavailable


def forget(store: Store) -> None:
    """Begin without administrators."""
    for user_id in all_with_role(store.users, "admin"):
        store.users.remove(user_id)


WAYS = pytest.mark.parametrize("way", [demoted, disabled, deleted])


@WAYS
def test_the_last_administrator_stays(store: Store, way: Callable[[Account], Account]) -> None:
    first, second = administrator(store), administrator(store)
    assert change(store, first, way) is True
    assert change(store, second, way) is LastAdmin
    assert all_with_role(store.users, "admin") == guarded(store) == {second}


def test_others_may_come_and_go(store: Store) -> None:
    accounts, first = accounts_of(store), administrator(store)
    member = a_user()
    store.users.add(Account(member, HASH))
    accounts.change(member.id, lambda account: account.with_user(roles=("admin",)))
    assert change(store, first, disabled) is True
    accounts.change(first, lambda account: account.with_user(status="active"), among=["disabled"])
    assert guarded(store) == {first, member.id}
    assert change(store, member.id, deleted) is True
    assert change(store, first, demoted) is LastAdmin


def test_a_change_that_takes_no_administrator_away_asks_for_nobody(store: Store) -> None:
    only = administrator(store)
    assert change(store, only, lambda account: account.with_user(name="Ann")) is True
    assert store.guards.load(GUARD) is None


def test_a_refused_change_leaves_the_guard_as_it_was(store: Store) -> None:
    first, second = administrator(store), administrator(store)
    administrators_of(store).tend()
    administrators_of(store).leave(first)
    assert guarded(store) == {second}
    administrators_of(store).stay(first)
    assert guarded(store) == {first, second}


def test_a_change_that_is_refused_at_its_second_attempt_leaves_the_guard_as_it_was(store: Store) -> None:
    first, second = administrator(store), administrator(store)
    administrators_of(store).tend()
    seen: list[set[str]] = []

    def step(account: Account) -> Account:
        seen.append(guarded(store))
        if len(seen) > 1:
            raise WrongPassword
        end_sessions(store, first, None)  # another write comes first
        return demoted(account)

    assert change(store, first, step) is WrongPassword
    assert seen == [{first, second}, {second}]
    assert guarded(store) == {first, second}


def test_who_is_named_by_the_guard_but_was_deleted_by_the_former_version_is_not_counted(store: Store) -> None:
    gone, last = administrator(store), administrator(store)
    store.guards.save(GUARD, Guard(1, (gone, last)))
    account = store.users.account(gone)
    assert account is not None
    assert store.users.save(deleted(account))
    assert change(store, last, demoted) is LastAdmin
    assert guarded(store) == {last}


def test_a_crash_between_guard_and_user_loses_nobody_and_is_healed_by_the_job(store: Store) -> None:
    first, second = administrator(store), administrator(store)
    administrators_of(store).leave(first)  # and then nothing
    assert all_with_role(store.users, "admin") == {first, second}
    assert change(store, second, demoted) is LastAdmin
    assert administrators_of(store).tend() == 1
    assert administrators_of(store).tend() == 0
    assert change(store, second, demoted) is True
    assert change(store, first, demoted) is LastAdmin


def test_the_job_drops_who_is_no_administrator_any_more(store: Store) -> None:
    last = administrator(store)
    store.guards.save(GUARD, Guard(1, (last, "gone")))
    assert administrators_of(store).tend() == 1
    assert guarded(store) == {last}


@WAYS
def test_the_job_may_come_between_guard_and_user_and_still_one_remains(
    store: Store, way: Callable[[Account], Account]
) -> None:
    """It adds who is about to leave, whereupon the other one leaves, whose account was not read before."""
    first, second = administrator(store), administrator(store)
    administrators_of(store).tend()
    others: list[object] = []

    class Interrupted(Administrators):
        def leave(self, user_id: str) -> None:
            super().leave(user_id)
            if not others:
                administrators_of(store).tend()
                others.append(change(store, second, demoted))

    accounts = replace(accounts_of(store), administrators=Interrupted(store.guards, store.users))
    with pytest.raises(LastAdmin):
        accounts.change(first, way)
    assert others == [True]
    assert all_with_role(store.users, "admin") == {first}


def test_an_administrator_whom_the_former_version_left_as_leaving_gets_the_role_back(store: Store) -> None:
    other, left = administrator(store), a_user(roles=("member", "admin:leaving"))
    store.users.add(Account(left, HASH))
    job = FormerLeavers(accounts_of(store), store.guards)
    assert job.heal() == 0  # the former version may be about to delete them
    assert job.heal() == 1
    assert job.heal() == 0
    found = store.users.account(left.id)
    assert found is not None
    assert found.user.roles == ("member", "admin")
    assert change(store, other, demoted) is True


def leave_at_once(
    store: Store, in_threads: InThreads, many: int, ways: list[Callable[[Account], Account]]
) -> tuple[list[str], list[bool | type[Failure]]]:
    """The administrators of whom each is to leave, by one request or several; and what came of the 16 requests."""
    forget(store)
    them = [administrator(store) for _ in range(many)]
    administrators_of(store).tend()
    return them, in_threads(lambda number: change(store, them[number % many], ways[number % many % len(ways)]))


@pytest.mark.parametrize(
    "ways", [[demoted], [demoted, deleted], [disabled, demoted]], ids=["demoted", "deleted too", "disabled too"]
)
def test_of_two_who_leave_at_once_one_does_and_one_stays(
    store: Store, in_threads: InThreads, ways: list[Callable[[Account], Account]]
) -> None:
    for _ in range(TURNS):
        _, results = leave_at_once(store, in_threads, 2, ways)
        assert results.count(True) >= 1, "nobody could leave"
        assert set(results) <= {True, LastAdmin, SessionEnded}
        assert len(all_with_role(store.users, "admin")) == 1
        assert guarded(store) == all_with_role(store.users, "admin")


def test_of_sixteen_who_leave_at_once_one_remains(store: Store, in_threads: InThreads) -> None:
    for _ in range(BOTH):
        _, results = leave_at_once(store, in_threads, 16, [demoted, disabled, deleted])
        remaining = all_with_role(store.users, "admin")
        assert len(remaining) >= 1
        assert results.count(True) == 16 - len(remaining)
        assert set(results) <= {True, LastAdmin}
        for user_id in list(remaining)[1:]:  # whoever was refused without need can leave now
            assert change(store, user_id, demoted) is True


def test_the_job_beside_those_who_leave_changes_nothing_about_it(store: Store, in_threads: InThreads) -> None:
    for _ in range(TURNS):
        forget(store)
        pair = [administrator(store) for _ in range(BOTH)]
        administrators_of(store).tend()

        def act(number: int, pair: list[str] = pair) -> object:
            if number < BOTH:
                return change(store, pair[number], demoted)
            return administrators_of(store).tend()

        in_threads(act)
        assert len(all_with_role(store.users, "admin")) >= 1


def leave_in_turn(store: Store, number: int, turn: int) -> bool | type[Failure]:
    return change(store, f"admin {turn} {number}", demoted) if turn % 2 else change(store, f"admin 0 {number}", renamed)


def renamed(account: Account) -> Account:
    return account.with_user(name="Ann")


def test_of_four_processes_whose_administrators_leave_one_stays(store: Store, in_processes: InProcesses) -> None:
    for turn in range(8):
        for number in range(4):
            store.users.add(Account(a_user(id=f"admin {turn} {number}", roles=("admin",)), HASH))
    # The others are there in every turn, so all of these may leave.
    results = in_processes(leave_in_turn)
    assert all(result is True for results_of_turn in results[1::2] for result in results_of_turn)
    assert len(all_with_role(store.users, "admin")) == 16
