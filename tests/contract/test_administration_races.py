"""What every store promises when administrators act on users who, or while they themselves, change."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.accounts.account import Account
from app.accounts.principal import Principal
from app.administration.users import UserAdministration, UserChanges
from app.platform.devices import Device
from app.platform.errors import EmailTaken, Failure, Forbidden, LastAdmin, NotFound, SessionEnded
from app.roles.administrators import Administrators
from app.web.caller import Caller
from app.wiring import Wired
from tests.contract.entities import NOW, a_session
from tests.contract.races import InThreads, failure_of
from tests.contract.test_account_races import added, kept
from tests.contract.test_session_races import opened
from tests.stores import Store, events_of
from tests.unit.instance import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Device("192.0.2.1", "curl/8.5.0")
TURNS = 4


def administrator(wired: Wired, store: Store) -> Principal:
    user = replace(added(store).user, roles=("admin",))
    assert store.users.save(replace(kept_by(store, user.id), user=user))
    return session_of(wired, user.id)


def kept_by(store: Store, user_id: str) -> Account:
    account = store.users.account(user_id)
    assert account is not None
    return account


def demote(wired: Wired, principal: Principal) -> None:
    accounts = wired.get(UserAdministration).accounts
    accounts.change(principal.user.id, lambda account: account.with_user(roles=("member",)))


def test_two_administrators_who_disable_each_other_leave_one(
    wired: Wired,
    store: Store,
    in_threads: InThreads,
) -> None:
    administration = wired.get(UserAdministration)
    for _ in range(TURNS):
        for user in store.users.page(after=None, limit=100, active_only=True):
            store.users.remove(user.id)
        them = [administrator(wired, store) for _ in range(2)]
        wired.get(Administrators).tend()

        def disable(number: int, them: list[Principal] = them) -> type[Failure] | None:
            by, other = them[number % 2], them[1 - number % 2]
            return failure_of(lambda: administration.disable(other.user.id, by, HERE))

        results = in_threads(disable)
        assert set(results) <= {None, LastAdmin, SessionEnded, Forbidden}
        active = [user.id for user in store.users.page(after=None, limit=100, active_only=True)]
        assert len(active) == 1


def test_of_an_act_and_the_demotion_of_who_acts_the_act_comes_first_or_not_at_all(
    wired: Wired,
    store: Store,
    in_threads: InThreads,
) -> None:
    """Whatever was done is done by the time the demotion has returned and a request comes after it."""
    administration = wired.get(UserAdministration)
    administrator(wired, store)
    for turn in range(TURNS):
        support, ann = administrator(wired, store), added(store)

        def act(number: int, support: Principal = support, ann: Account = ann, turn: int = turn) -> object:
            if number == turn * 4:
                demote(wired, support)
                return None
            change = UserChanges(name=f"Ann {number}", renames=True)
            return failure_of(lambda: administration.update(ann.user.id, change, support, HERE))

        results = in_threads(act)
        assert set(results) <= {None, Forbidden}
        before = kept(store, ann)
        with pytest.raises(Forbidden):
            administration.disable(ann.user.id, support, HERE)
        assert kept(store, ann) == before
        theirs = [event for event in events_of(store, ann.user.id) if event.actor_id == support.user.id]
        assert len(theirs) == before.revision


def test_an_act_that_was_admitted_before_the_demotion_does_nothing_behind_it(
    wired: Wired,
    store: Store,
) -> None:
    administration = wired.get(UserAdministration)
    administrator(wired, store)
    ends: list[Callable[[Principal], object]] = [
        lambda by: demote(wired, by),
        lambda by: administration.disable(by.user.id, None, None),
        lambda by: administration.delete(by.user.id, None, None),
        lambda by: administration.log_out(by.user.id, None, None),
    ]
    for end in ends:
        by, ann = administrator(wired, store), added(store, email="ann@example.com")
        end(by)
        for act in (
            lambda by=by, ann=ann: administration.disable(ann.user.id, by, HERE),
            lambda by=by, ann=ann: administration.log_out(ann.user.id, by, HERE),
            lambda by=by, ann=ann: administration.start_reset(ann.user.id, by, HERE, end_sessions=True),
            lambda by=by, ann=ann: administration.unlock(ann.user.id, by, HERE),
            lambda by=by, ann=ann: administration.delete(ann.user.id, by, HERE),
            lambda by=by, ann=ann: administration.update(ann.user.id, UserChanges(email="x@example.com"), by, HERE),
        ):
            assert failure_of(act) in {Forbidden, SessionEnded}
        assert kept(store, ann) == ann
        assert events_of(store, ann.user.id) == []
        store.users.remove(ann.user.id)


def test_a_user_who_gets_a_permission_in_the_last_moment_is_left_alone(
    wired: Wired,
    store: Store,
) -> None:
    """The roles that count are those of the account that the write replaces."""
    administrator(wired, store)
    support, ann = administrator(wired, store), added(store)
    limited = support.with_permissions(frozenset({"users:write"}))
    administration = wired.get(UserAdministration)
    raised: list[bool] = []

    class Raising:
        """Makes the user an administrator right before the write, the first time."""

        def held_by(self, caller: Caller) -> frozenset[str]:
            held = administration.authority.held_by(caller)
            if not raised:
                raised.append(store.users.save(kept(store, ann).with_user(roles=("admin",))))
            return held

    racing = replace(administration, authority=Raising())
    assert failure_of(lambda: racing.disable(ann.user.id, limited, HERE)) is Forbidden
    assert raised == [True]
    assert kept(store, ann).user.status == "active"


@pytest.mark.parametrize("how", ["disable", "log_out", "delete"])
def test_no_session_that_opens_beside_an_act_outlives_it(
    wired: Wired,
    store: Store,
    in_threads: InThreads,
    how: str,
) -> None:
    administration = wired.get(UserAdministration)
    for _ in range(TURNS):
        ann = added(store)

        def act(number: int, ann: Account = ann) -> object:
            if number == 7:
                return getattr(administration, how)(ann.user.id, None, None)
            return opened(store, a_session(ann.user))

        in_threads(act)
        assert store.sessions.of_user(ann.user.id, NOW) == []


def test_of_sixteen_users_who_are_given_one_address_one_has_it(
    wired: Wired,
    store: Store,
    in_threads: InThreads,
) -> None:
    administration = wired.get(UserAdministration)
    for turn in range(TURNS):
        users = [added(store) for _ in range(16)]
        email, verified = f"ann{turn}@example.com", bool(turn % 2)

        def give(number: int, users: list[Account] = users, email: str = email, verified: bool = verified) -> object:  # noqa: FBT001 - bound here
            change = UserChanges(email=email, email_verified=verified or None)
            return failure_of(lambda: administration.update(users[number].user.id, change, None, None))

        results = in_threads(give)
        having = [account for user in users if (account := kept(store, user)).user.email is not None]
        assert len(having) == 1
        assert set(results) <= {None, EmailTaken}
        assert results.count(None) == 1


def test_disabling_and_deleting_and_enabling_at_once_leave_a_whole_account(
    wired: Wired,
    store: Store,
    in_threads: InThreads,
) -> None:
    administration = wired.get(UserAdministration)
    acts: list[Callable[..., object]] = [
        administration.disable,
        administration.enable,
        administration.delete,
        administration.log_out,
    ]
    for _ in range(TURNS):
        ann = added(store, email="ann@example.com")

        def act(number: int, ann: Account = ann) -> type[Failure] | None:
            return failure_of(lambda: acts[number % 4](ann.user.id, None, None))

        results = in_threads(act)
        assert set(results) <= {None, NotFound}
        assert results[2::4].count(None) == 1
        account = store.users.account(ann.user.id)
        assert account is None or account.user.status == "deleted"
