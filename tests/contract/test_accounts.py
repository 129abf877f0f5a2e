"""What every store promises about accounts as wholes: kept, found, replaced on one condition, and removed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.accounts import mongo, sql
from app.accounts.account import Account
from app.accounts.model import AlreadyThereError, Status
from app.accounts.under_way import PendingEmail
from app.platform.errors import EmailTaken, Failure, UsernameTaken
from app.platform.identifiers import new_id
from app.roles.model import all_with_role
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_session, a_user, a_whole_account
from tests.stores import Store

LEAST = Account(a_user(roles=()), None)
WHOLE = a_whole_account()
OTHER = a_whole_account(email="Other@example.org", status="disabled")
MILLISECOND = timedelta(milliseconds=1)


def added(store: Store, **fields: Any) -> Account:
    """An account that was added, with nothing under way; `fields` are those of its user."""
    account = Account(a_user(**fields), HASH)
    store.users.add(account)
    return account


def renamed(account: Account, **fields: Any) -> Account:
    return replace(account, user=replace(account.user, **fields))


def save(store: Store, account: Account) -> bool | type[Failure]:
    """What replacing the account gives, or the failure that it raises."""
    try:
        return store.users.save(account)
    except Failure as failure:
        return type(failure)


@pytest.mark.parametrize("account", [WHOLE, LEAST], ids=["whole", "least"])
def test_an_account_comes_back_as_it_was_added(store: Store, account: Account) -> None:
    store.users.add(account)
    assert store.users.account(account.user.id) == account


def test_an_account_is_found_only_by_the_key_of_its_address(store: Store) -> None:
    store.users.add(WHOLE)
    assert store.users.account_by_email("ada.lovelace@example.org") == WHOLE
    for other in ("Ada.Lovelace@Example.ORG", "ada@xn--bcher-kva.example", "ada.0@example.net", "ada_l"):
        assert store.users.account_by_email(other) is None
    assert store.users.account(new_id()) is None
    assert store.users.account("") is None


def test_the_times_in_an_account_come_back_aware_in_utc(store: Store) -> None:
    store.users.add(WHOLE)
    found = store.users.account(WHOLE.user.id)
    assert found is not None
    assert found.pending_email is not None
    assert found.due_at is not None
    times = [found.codes[1].expires_at, found.outbox[1].due_at, found.due_at]
    assert [time.isoformat() for time in times] == [(NOW + MINUTE).isoformat()] * 3
    assert found.pending_email.expires_at.isoformat() == (NOW + DAY).isoformat()
    assert found.undo_offers[0].expires_at.isoformat() == (NOW + 7 * DAY).isoformat()


@pytest.mark.parametrize("status", ["disabled", "invited", "deleted"])
def test_an_account_is_found_whatever_the_status(store: Store, status: Status) -> None:
    account = added(store, email="ada@example.org", status=status)
    assert store.users.account(account.user.id) == account
    assert store.users.account_by_email("ada@example.org") == account


@pytest.mark.parametrize("fields", [{}, {"email": "ada@example.org", "username": "ada"}, {"username": "new"}], ids=str)
def test_an_identifier_in_use_is_reported_when_the_names_are_free_or_its_own(
    store: Store, fields: dict[str, Any]
) -> None:
    account = added(store, email="ada@example.org", username="ada")
    with pytest.raises(AlreadyThereError):
        store.users.add(Account(a_user(id=account.user.id, **fields), "another"))
    assert store.users.account(account.user.id) == account


def test_taken_names_are_reported_before_an_identifier_in_use(store: Store) -> None:
    account = added(store, username="ada")
    added(store, email="eve@example.org", username="eve")
    with pytest.raises(EmailTaken):
        store.users.add(Account(a_user(id=account.user.id, email="eve@example.org", username="eve"), HASH))
    with pytest.raises(UsernameTaken):
        store.users.add(Account(a_user(id=account.user.id, username="eve"), HASH))


@pytest.mark.parametrize("before", [WHOLE, LEAST], ids=["whole", "least"])
@pytest.mark.parametrize("after", [WHOLE, LEAST, OTHER], ids=["whole", "least", "other"])
def test_an_account_is_replaced_by_exactly_what_is_saved(store: Store, before: Account, after: Account) -> None:
    store.users.add(before)
    kept = {"id": before.user.id, "last_login_at": before.user.last_login_at}
    saved = replace(renamed(after, **kept), revision=before.revision)
    assert store.users.save(saved)
    assert store.users.account(before.user.id) == replace(saved, revision=before.revision + 1)


def test_an_account_can_be_replaced_again_and_again(store: Store) -> None:
    account = added(store)
    for revision in range(3):
        assert store.users.save(replace(account, auth_epoch=revision + 7, revision=revision))
    assert store.users.account(account.user.id) == replace(account, auth_epoch=9, revision=3)


def test_replacing_an_account_leaves_alone_when_it_was_made_and_last_used(store: Store) -> None:
    account = added(store)
    store.sessions.open(a_session(account.user, created_at=NOW + MINUTE))
    never = renamed(account, created_at=NOW - DAY, last_login_at=None, name="Ada")
    assert store.users.save(never)
    later = replace(renamed(never, last_login_at=NOW + DAY), revision=1)
    assert store.users.save(later)
    expected = renamed(account, last_login_at=NOW + MINUTE, name="Ada")
    assert store.users.account(account.user.id) == replace(expected, revision=2)


@pytest.mark.parametrize("revision", [0, 4, 6])
def test_an_account_that_was_replaced_meanwhile_is_not_replaced(store: Store, revision: int) -> None:
    store.users.add(WHOLE)
    other = replace(LEAST, user=replace(LEAST.user, id=WHOLE.user.id), revision=revision)
    assert not store.users.save(other)
    assert store.users.account(WHOLE.user.id) == WHOLE


def test_of_what_was_read_once_only_the_first_is_saved(store: Store) -> None:
    account = added(store)
    assert store.users.save(renamed(account, name="first"))
    assert not store.users.save(renamed(account, name="second"))
    assert store.users.account(account.user.id) == replace(renamed(account, name="first"), revision=1)


def test_replacing_an_account_touches_nobody_else(store: Store) -> None:
    ada, eve = added(store, username="ada"), added(store, username="eve")
    assert store.users.save(renamed(ada, name="Ada"))
    assert store.users.account(eve.user.id) == eve


def test_an_account_that_is_gone_is_not_replaced(store: Store) -> None:
    account = added(store, username="ada")
    store.users.remove(account.user.id)
    assert not store.users.save(account)
    assert store.users.account(account.user.id) is None


def test_taken_names_cannot_be_saved_and_the_email_is_reported_first(store: Store) -> None:
    added(store, email="eve@Bücher.example", username="Eve")
    account = added(store, email="ada@example.org", username="ada")
    taken = "EVE@xn--bcher-kva.example"
    assert save(store, renamed(account, email=taken)) is EmailTaken
    assert save(store, renamed(account, username="eVE")) is UsernameTaken
    assert save(store, renamed(account, email=taken, username="eve")) is EmailTaken
    assert save(store, renamed(account, email="new@example.org", username="eve")) is UsernameTaken
    assert store.users.account(account.user.id) == account
    assert store.users.account_by_email("new@example.org") is None


def test_ones_own_names_are_not_taken(store: Store) -> None:
    account = added(store, email="ada@example.org", username="ada")
    other_case = renamed(account, email="Ada@Example.org", username="ADA", name="Ada")
    assert save(store, other_case) is True
    assert store.users.account_by_email("ada@example.org") == replace(other_case, revision=1)


def test_names_lead_to_their_new_user_once_they_were_given_up(store: Store) -> None:
    account = added(store, email="ada@example.org", username="ada")
    assert store.users.save(renamed(account, email="new@example.org", username="new"))
    assert store.users.credentials_by_email("ada@example.org") is None
    assert store.users.credentials_by_username("ada") is None
    other = added(store, email="ada@example.org", username="ada")
    assert store.users.account_by_email("ada@example.org") == other
    for found in (
        store.users.credentials_by_email("new@example.org"), store.users.credentials_by_username("new"),
    ):  # fmt: skip
        assert found is not None
        assert found.user.id == account.user.id


def test_any_number_of_accounts_can_lose_their_names(store: Store) -> None:
    accounts = [added(store, email=f"{number}@example.org", username=f"u{number}") for number in range(3)]
    for account in accounts:
        assert store.users.save(renamed(account, email=None, username=None, status="deleted"))
    for number, account in enumerate(accounts):
        nameless = replace(renamed(account, email=None, username=None, status="deleted"), revision=1)
        assert store.users.account(account.user.id) == nameless
        assert store.users.account_by_email(f"{number}@example.org") is None


def test_a_voided_password_reads_as_none(store: Store) -> None:
    account = added(store, username="ada")
    assert store.users.save(replace(account, password_hash=None))
    found = store.users.credentials_by_username("ada")
    assert found is not None
    assert found.password_hash is None
    assert not store.users.replace_hash(account.user.id, HASH, "new")
    assert store.users.save(replace(account, password_hash="new", revision=1))
    assert store.users.replace_hash(account.user.id, "new", "newer")


def changing_to(store: Store, email: str, expires_at: timedelta = DAY) -> Account:
    account = Account(a_user(), HASH, pending_email=PendingEmail(new_id(), email, NOW + expires_at))
    store.users.add(account)
    return account


def test_users_changing_to_an_address_are_found_by_its_key_newest_first(store: Store) -> None:
    first, second, third = (
        changing_to(store, email, expires_at)
        for email, expires_at in (
            ("Ada@Bücher.example", 3 * DAY), ("ada@bücher.example", DAY), ("ADA@xn--bcher-kva.example", 2 * DAY),
        )
    )  # fmt: skip
    changing_to(store, "ada@example.org")
    added(store, email="ada@bücher.example")
    key = "ada@xn--bcher-kva.example"
    assert store.users.accounts_changing_to(key, 10) == [third, second, first]
    assert store.users.accounts_changing_to(key, 2) == [third, second]
    assert store.users.accounts_changing_to("ada@bücher.example", 10) == []


def test_users_who_gave_up_a_change_of_address_are_no_longer_found_by_it(store: Store) -> None:
    gives_up, goes_on = changing_to(store, "ada@example.org"), added(store, username="ada")
    assert store.users.save(replace(gives_up, pending_email=None))
    assert store.users.accounts_changing_to("ada@example.org", 10) == []
    pending = PendingEmail(new_id(), "Ada@example.org", NOW)
    assert store.users.save(replace(goes_on, pending_email=pending))
    saved = replace(goes_on, pending_email=pending, revision=1)
    assert store.users.accounts_changing_to("ada@example.org", 10) == [saved]


def test_accounts_are_due_from_their_time_on_the_longest_due_first(store: Store) -> None:
    last, first, between = (
        Account(a_user(status=status), HASH, due_at=NOW + minutes * MINUTE)
        for minutes, status in ((3, "active"), (1, "deleted"), (2, "disabled"))
    )
    for account in (last, first, between):
        store.users.add(account)
    added(store)
    assert store.users.due(NOW + MINUTE - MILLISECOND, 10) == []
    assert store.users.due(NOW + MINUTE, 10) == [first.user.id]
    assert store.users.due(NOW + DAY, 10) == [first.user.id, between.user.id, last.user.id]
    assert store.users.due(NOW + DAY, 2) == [first.user.id, between.user.id]


def test_an_account_is_due_when_it_was_last_saved_to_be(store: Store) -> None:
    account = added(store)
    assert store.users.save(replace(account, due_at=NOW + MINUTE))
    assert store.users.due(NOW + MINUTE, 10) == [account.user.id]
    assert store.users.save(replace(account, due_at=NOW + DAY, revision=1))
    assert store.users.due(NOW + MINUTE, 10) == []
    assert store.users.save(replace(account, due_at=None, revision=2))
    assert store.users.due(NOW + 2 * DAY, 10) == []


def test_a_role_is_confirmed_of_an_active_user_who_has_it(store: Store) -> None:
    boss = added(store, roles=("member", "admin"))
    others = [added(store, roles=roles) for roles in ((), ("administrator",), ("member", "sub-admin", "admin-2"))]
    others += [added(store, roles=("admin",), status=status) for status in ("disabled", "invited", "deleted")]
    others += [added(store, roles=("admin",), kind="service")]
    assert store.users.confirm_role(boss.user.id, "admin")
    assert store.users.confirm_role(boss.user.id, "member")
    assert not any(store.users.confirm_role(other.user.id, "admin") for other in others)
    assert not store.users.confirm_role(new_id(), "admin")
    assert store.users.some_with_role("admin", None) == ([boss.user.id], None)


@pytest.mark.parametrize("roles", [("admin",), ("admin", "member"), ("member", "admin"), ("a", "admin", "z")])
def test_a_role_that_is_confirmed_counts_as_a_replacement_of_the_account(store: Store, roles: tuple[str, ...]) -> None:
    account = added(store, roles=roles)
    assert store.users.confirm_role(account.user.id, "admin")
    assert not store.users.save(account)
    assert store.users.account(account.user.id) == replace(account, revision=1)


def test_those_with_a_role_are_found_a_part_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_LAST_LOOKED_AT", sql._LAST_LOOKED_AT.offset(1))  # noqa: SLF001 - two at a time
    monkeypatch.setattr(mongo, "_LOOKED_AT", 2)
    accounts = [added(store, roles=("admin",) if number % 2 else ("member",)) for number in range(9)]
    with_role = {account.user.id for account in accounts[1::2]}
    some, after = store.users.some_with_role("admin", None)
    assert after is not None
    assert set(some) < with_role
    assert all_with_role(store.users, "admin") == with_role


def test_a_role_is_held_as_long_as_an_account_has_it_whatever_its_status(store: Store) -> None:
    assert not store.users.is_role_held("editor")
    account = added(store, roles=("member", "editor"), status="disabled")
    assert store.users.is_role_held("editor")
    assert store.users.save(renamed(account, roles=("member",)))
    assert not store.users.is_role_held("editor")
    assert store.users.is_role_held("member")
    assert store.users.save(replace(renamed(account, roles=("editor", "editor"), status="deleted"), revision=1))
    assert store.users.is_role_held("editor")
    store.users.remove(account.user.id)
    assert not store.users.is_role_held("editor")
    assert not store.users.is_role_held("member")


def test_a_save_that_comes_too_late_changes_no_role(store: Store) -> None:
    account = added(store, roles=("member",))
    assert not store.users.save(replace(renamed(account, roles=("editor",)), revision=7))
    assert not store.users.is_role_held("editor")


def test_a_removed_account_leaves_nothing_behind(store: Store) -> None:
    other = added(store, username="eve")
    store.users.add(WHOLE)
    store.users.remove(WHOLE.user.id)
    store.users.remove(WHOLE.user.id)
    assert store.users.account(WHOLE.user.id) is None
    assert store.users.account_by_email("ada.lovelace@example.org") is None
    assert store.users.accounts_changing_to("ada@xn--bcher-kva.example", 10) == []
    assert store.users.due(NOW + DAY, 10) == []
    assert store.users.page(after=None, limit=10, active_only=False) == [other.user]
    store.users.add(WHOLE)


def test_a_hash_that_is_replaced_counts_as_a_replacement_of_the_account(store: Store) -> None:
    account = added(store)
    assert not store.users.replace_hash(account.user.id, "another", "new")
    assert store.users.account(account.user.id) == account
    assert store.users.replace_hash(account.user.id, HASH, "new")
    assert not store.users.save(account)
    assert store.users.account(account.user.id) == replace(account, password_hash="new", revision=1)


def test_what_a_newer_version_keeps_in_an_account_is_not_lost_when_this_one_writes_it(store: Store) -> None:
    """Both run side by side while a newer version takes over, one instance after the other."""
    code, *_ = WHOLE.codes
    unknown = {"codes": {code.id: {"sent_to": "ada@example.org", "tries": [1, {"at": "noon"}]}}}
    newer = replace(WHOLE, unknown=unknown)
    store.users.add(newer)
    assert store.users.account(newer.user.id) == newer
    assert store.users.save(replace(newer, outbox=(), pending_email=None))
    assert store.users.account(newer.user.id) == replace(newer, outbox=(), pending_email=None, revision=6)
    assert store.users.save(replace(newer, codes=(), revision=6))
    found = store.users.account(newer.user.id)
    assert found is not None
    assert (found.codes, found.unknown) == ((), {})


def test_service_accounts_are_listed_apart_from_people(store: Store) -> None:
    people = [added(store), added(store, username="ada")]
    services = [added(store, name=f"Robot {number}", roles=("admin",), kind="service") for number in range(3)]
    gone = added(store, kind="service", status="deleted")
    for active_only in (True, False):
        page = store.users.page(after=None, limit=10, active_only=active_only)
        assert page == [account.user for account in people]
    assert store.users.service_accounts(after=None, limit=2) == [account.user for account in services[:2]]
    assert store.users.service_accounts(after=services[1].user.id, limit=10) == [services[2].user]
    assert store.users.account(gone.user.id) == gone


def test_a_service_account_stays_one(store: Store) -> None:
    robot = added(store, name="Robot", kind="service")
    assert store.users.save(renamed(robot, name="Robot 2"))
    found = store.users.account(robot.user.id)
    assert found is not None
    assert (found.user.kind, found.user.name) == ("service", "Robot 2")
    assert store.users.service_accounts(after=None, limit=10) == [found.user]
