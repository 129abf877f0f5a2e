"""What every store promises when administrators act for a user, and that ends, at once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.accounts.account import Account
from app.accounts.principal import Principal
from app.accounts.service import Accounts
from app.feature import LiveCallers
from app.platform.errors import Failure, SessionEnded, TooManyRequests
from app.roles.model import Role
from app.sessions.impersonation import MOST, with_impersonation
from app.sessions.live import IMPERSONATE, LiveImpersonations, LiveSessions
from tests.contract.entities import HASH, NOW, a_session, a_user, an_impersonation
from tests.contract.races import InThreads
from tests.contract.test_account_races import accounts_of, renamed
from tests.stores import Store, end_sessions


def live(store: Store) -> LiveImpersonations:
    def permissions_of(roles: tuple[str, ...], _version: int | None) -> frozenset[str]:
        return frozenset({IMPERSONATE}) if "support" in roles else frozenset()

    sessions = LiveSessions(store.sessions, permissions_of, lambda: NOW)
    return LiveImpersonations(
        on=True,
        users=store.users,
        sessions=sessions,
        permissions_of=permissions_of,
        narrowed_since=lambda roles, since, _version: store.role_books.load().narrowed_since(roles, since),
        clock=lambda: NOW,
    )


def accounts_for(store: Store) -> Accounts:
    return replace(accounts_of(store), callers=LiveCallers({"impersonation": live(store).present}))


def acting(store: Store) -> Principal:
    """Someone of the support, who acts for a new user."""
    support, user = a_user(roles=("support",)), a_user()
    session = a_session(support)
    begun = an_impersonation(actor_id=support.id, actor_session_id=session.id)
    store.users.add(Account(support, None))
    store.sessions.open(session)
    store.users.add(with_impersonation(Account(user, HASH), begun, NOW))
    principal = live(store).principal(begun.id, user.id)
    assert principal is not None
    return principal


def end_itself(store: Store, principal: Principal) -> None:
    accounts_of(store).change(principal.user.id, lambda account: replace(account, impersonations=()))


def demote(store: Store, principal: Principal) -> None:
    accounts_of(store).change(principal.actor_id or "", lambda account: account.with_user(roles=()))


def promote_again(store: Store, principal: Principal) -> None:
    demote(store, principal)
    accounts_of(store).change(principal.actor_id or "", lambda account: account.with_user(roles=("support",)))


def narrow_and_widen(store: Store) -> None:
    for permissions in ((IMPERSONATE,), (), (IMPERSONATE,)):
        assert store.role_books.save(store.role_books.load().with_role(Role("support", permissions)))


ENDS: dict[str, Callable[[Store, Principal], object]] = {
    "it alone": end_itself,
    "all sessions of the user": lambda store, principal: end_sessions(store, principal.user.id, None),
    "a reset": lambda store, principal: accounts_of(store).change(principal.user.id, Account.in_new_epoch),
}
"""What ends it in the account of the user."""
BY_THE_ADMINISTRATOR: dict[str, Callable[[Store, Principal], object]] = {
    "logout": lambda store, principal: store.sessions.end(
        principal.impersonation.actor_session_id if principal.impersonation else "", principal.actor_id or ""
    ),
    "demotion": demote,
    "demotion and promotion": promote_again,
    "a role that lost a permission and has it again": lambda store, _principal: narrow_and_widen(store),
    "all their sessions": lambda store, principal: end_sessions(store, principal.actor_id or "", None),
}
"""What ends it elsewhere."""


@pytest.mark.parametrize("way", ENDS)
def test_an_impersonation_that_ends_while_it_changes_the_account_changes_nothing(store: Store, way: str) -> None:
    principal = acting(store)

    def change(account: Account) -> Account:
        if store.users.account(principal.user.id) == account:
            ENDS[way](store, principal)
        return renamed(account, "changed")

    with pytest.raises(SessionEnded):
        accounts_for(store).change(principal.user.id, change, by=principal)

    found = store.users.account(principal.user.id)
    assert found is not None
    assert found.user.name is None
    assert live(store).of_user(principal.user.id) == []


@pytest.mark.parametrize("way", BY_THE_ADMINISTRATOR)
def test_an_impersonation_whose_administrator_is_gone_changes_nothing(store: Store, way: str) -> None:
    principal = acting(store)
    BY_THE_ADMINISTRATOR[way](store, principal)

    with pytest.raises(SessionEnded):
        accounts_for(store).change(principal.user.id, lambda account: renamed(account, "changed"), by=principal)

    assert live(store).present(principal) is None
    assert live(store).of_user(principal.user.id) == []


@pytest.mark.parametrize("way", ENDS)
def test_of_sixteen_changes_beside_the_end_each_is_in_before_it_returns_or_not_at_all(
    store: Store, in_threads: InThreads, way: str
) -> None:
    principal, accounts = acting(store), accounts_for(store)
    at_the_end: list[Any] = []

    def act(number: int) -> bool | type[Failure]:
        if number == 7:  # not the first to begin
            ENDS[way](store, principal)
            at_the_end.append(store.users.account(principal.user.id))
            return True
        try:
            accounts.change(principal.user.id, lambda account: renamed(account, f"changed {number}"), by=principal)
        except SessionEnded as ended:
            return type(ended)
        return True

    assert set(in_threads(act)) <= {True, SessionEnded}
    assert [store.users.account(principal.user.id)] == at_the_end


def test_of_sixteen_that_begin_at_once_only_so_many_are_kept(store: Store, in_threads: InThreads) -> None:
    user, accounts = a_user(), accounts_of(store)
    store.users.add(Account(user, HASH))

    def begin(_number: int) -> bool:
        begun = an_impersonation()
        try:
            accounts.change(
                user.id,
                lambda account: with_impersonation(account, begun, NOW),
                actions=["user.impersonated"],
            )
        except TooManyRequests:
            return False
        return True

    assert in_threads(begin).count(True) == MOST
    found = store.users.account(user.id)
    assert found is not None
    assert len(found.impersonations) == MOST
    assert len(store.events.page_of(user.id, before=None, limit=50)) == MOST
