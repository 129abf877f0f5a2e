"""What every store promises about the roles, and about roles that are given while they are deleted."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from threading import Barrier

import pytest

from app.accounts.account import Account
from app.accounts.authority import CallerAuthority
from app.accounts.grants import GrantService
from app.accounts.principal import Principal
from app.features import PERMISSIONS
from app.platform.devices import Device
from app.platform.errors import Failure, RoleInUse, ValidationFailed
from app.roles.editing import RoleEditor
from app.roles.model import Guard, Role, RoleBook
from app.roles.service import Roles
from tests.contract.entities import HASH, NOW, a_session, a_user
from tests.contract.races import InThreads
from tests.contract.test_account_races import accounts_of
from tests.stores import Store

DEVICE = Device("192.0.2.1", "curl/8.5.0")
EDITOR = Role("editor", ("users:read", "users:write"), "Edits users, é 🧮")


def test_there_are_no_roles_at_first_but_those_built_in(store: Store) -> None:
    assert store.role_books.load() == RoleBook()
    assert [role.name for role in RoleBook().listed()] == ["member"]


def test_roles_come_back_as_they_were_saved(store: Store) -> None:
    book = RoleBook().with_role(EDITOR).with_role(Role("member", ("audit:read",)))
    first = replace(book, version=1)
    assert store.role_books.save(first)
    assert store.role_books.load() == first
    second = first.with_retired("editor", retired=True)
    assert store.role_books.save(second)
    assert store.role_books.load() == second
    third = second.without_role("editor")
    assert store.role_books.save(third)
    assert store.role_books.load() == third


def test_of_sixteen_who_replace_the_book_they_all_read_one_succeeds(store: Store, in_threads: InThreads) -> None:
    for version in range(1, 4):
        before = store.role_books.load()
        books = [before.with_role(Role(f"role-{version}-{number}")) for number in range(16)]

        def save(number: int, books: list[RoleBook] = books) -> bool:
            return store.role_books.save(books[number])

        results = in_threads(save)
        assert results.count(True) == 1
        assert store.role_books.load() == books[results.index(True)]


def test_a_guard_is_replaced_from_its_last_version_only(store: Store) -> None:
    assert store.guards.load("admins") is None
    first = Guard(1, ("a", "b"))
    assert store.guards.save("admins", first)
    assert not store.guards.save("admins", Guard(1, ()))
    assert store.guards.save("admins", first.replaced_by({"b"}))
    assert not store.guards.save("admins", first.replaced_by(()))
    assert store.guards.load("admins") == Guard(2, ("b",))
    assert store.guards.load("others") is None


def test_the_version_of_the_roles_comes_with_each_live_session(store: Store) -> None:
    user = a_user()
    store.users.add(Account(user, HASH))
    session = a_session(user)
    store.sessions.open(session)

    def versions() -> list[int]:
        principal = store.sessions.principal(session.id, user.id, NOW)
        live = store.sessions.find_live(session.id, NOW)
        assert principal is not None
        assert live is not None
        assert live.session == session
        return [principal.roles_version, live.roles_version]

    assert versions() == [0, 0]
    for version in (1, 2):
        store.role_books.save(RoleBook(version, {"editor": EDITOR}))
        assert versions() == [version, version]


@dataclass
class Parties:
    """An administrator, a member, and what they work with."""

    store: Store
    administrator: Principal = field(init=False)
    member: str = field(init=False)

    def __post_init__(self) -> None:
        boss, member = a_user(roles=("admin",)), a_user()
        for user in (boss, member):
            self.store.users.add(Account(user, HASH))
        session = a_session(boss)
        self.store.sessions.open(session)
        found = self.store.sessions.principal(session.id, boss.id, NOW)
        assert found is not None
        self.administrator, self.member = found.with_permissions(PERMISSIONS), member.id

    @property
    def grants(self) -> GrantService:
        return GrantService(accounts_of(self.store, self.roles.permissions_of), self.roles, self.authority)

    @property
    def editor(self) -> RoleEditor:
        audit = accounts_of(self.store, self.roles.permissions_of).audit
        return RoleEditor(self.store.role_books, self.store.users, self.authority, audit, PERMISSIONS, ("member",))

    @property
    def roles(self) -> Roles:
        return Roles(self.store.role_books, PERMISSIONS)

    @property
    def authority(self) -> CallerAuthority:
        return CallerAuthority(accounts_of(self.store, self.roles.permissions_of))

    def grant(self, *roles: str) -> type[Failure] | None:
        try:
            self.grants.set_roles(self.administrator, self.member, roles, DEVICE)
        except Failure as failure:
            return type(failure)
        return None

    def delete(self, role: str) -> type[Failure] | None:
        try:
            self.editor.delete(role, self.administrator, DEVICE)
        except Failure as failure:
            return type(failure)
        return None

    @property
    def roles_of_member(self) -> tuple[str, ...]:
        account = self.store.users.account(self.member)
        assert account is not None
        return account.user.roles


def test_a_role_that_a_user_has_is_not_deleted(store: Store) -> None:
    parties = Parties(store)
    parties.editor.create(EDITOR, parties.administrator, DEVICE)
    assert parties.grant("member", "editor") is None
    assert parties.delete("editor") is RoleInUse
    assert store.role_books.load().role("editor") == EDITOR
    assert parties.grant("member") is None
    assert parties.delete("editor") is None
    assert store.role_books.load().role("editor") is None
    assert parties.grant("editor") is ValidationFailed


def test_a_role_is_deleted_or_given_but_never_both(store: Store, in_threads: InThreads) -> None:
    parties = Parties(store)
    for _ in range(8):
        if store.role_books.load().role("editor") is None:
            parties.editor.create(EDITOR, parties.administrator, DEVICE)
        start = Barrier(2)

        def act(number: int, start: Barrier = start) -> type[Failure] | None:
            if number > 1:
                return None
            start.wait()
            return parties.delete("editor") if number else parties.grant("member", "editor")

        given, deleted = in_threads(act)[:2]
        there = store.role_books.load().role("editor")
        assert there is None or there == EDITOR
        assert ("editor" in parties.roles_of_member) == (given is None)
        assert (there is None) == (deleted is None)
        assert not (given is None and deleted is None)
        assert parties.grant("member") is None


class RetiredMeanwhile(Roles):
    """Sees a role as it was before it was retired, once."""

    looks = 0

    def unknown(self, roles: Iterable[str]) -> list[str]:
        self.looks += 1
        return [] if self.looks == 1 else super().unknown(roles)


def test_a_role_that_was_retired_right_before_the_write_is_taken_back(store: Store) -> None:
    parties = Parties(store)
    store.role_books.save(RoleBook(1, {"editor": replace(EDITOR, retired=True)}))
    grants = replace(parties.grants, roles=RetiredMeanwhile(store.role_books, PERMISSIONS))
    with pytest.raises(ValidationFailed):
        grants.set_roles(parties.administrator, parties.member, ("editor",), DEVICE)
    assert parties.roles_of_member == ("member",)


def test_a_deletion_that_a_crash_interrupted_is_ended_by_the_job(store: Store) -> None:
    parties = Parties(store)
    retired = replace(EDITOR, retired=True)
    store.role_books.save(RoleBook(1, {"editor": retired, "other": replace(retired, name="other")}))
    account = store.users.account(parties.member)
    assert account is not None
    assert store.users.save(account.with_user(roles=("other",)))
    assert parties.editor.settle_retired() == 2
    book = store.role_books.load()
    assert book.role("editor") is None
    assert book.role("other") == replace(EDITOR, name="other")
