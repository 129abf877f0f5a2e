"""Roles are sets of permissions, kept until their version changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.features import PERMISSIONS
from app.roles.model import BUILT_IN, Role, RoleBook
from app.roles.service import Roles

if TYPE_CHECKING:
    from tests.stores import Store

EDITOR = Role("editor", ("users:read",))


@pytest.fixture
def roles(store: Store) -> Roles:
    return Roles(store.role_books, PERMISSIONS)


def test_an_administrator_has_every_permission_and_a_member_none_at_first(roles: Roles) -> None:
    assert roles.permissions_of(("admin",)) == PERMISSIONS
    assert roles.permissions_of(("member",)) == frozenset()
    assert roles.permissions_of(("member", "admin")) == PERMISSIONS


def test_no_role_and_a_role_that_does_not_exist_permit_nothing(roles: Roles) -> None:
    for names in ((), ("Admin",), ("admin ",), ("root", "users:read"), ("admin:leaving",)):
        assert roles.permissions_of(names) == frozenset()


def test_a_role_permits_what_the_book_of_the_version_that_is_told_says(store: Store, roles: Roles) -> None:
    assert roles.permissions_of(("editor",), 0) == frozenset()
    assert store.role_books.save(RoleBook(1, {"editor": EDITOR, "member": Role("member", ("audit:read",))}))
    assert roles.permissions_of(("editor",), 0) == frozenset()  # not asked again
    assert roles.permissions_of(("editor", "member"), 1) == {"users:read", "audit:read"}
    store.close()
    assert roles.permissions_of(("editor",), 1) == {"users:read"}


def test_a_role_that_is_about_to_be_deleted_permits_nothing(store: Store, roles: Roles) -> None:
    store.role_books.save(RoleBook(1, {"editor": Role("editor", ("users:read",), retired=True)}))
    assert roles.permissions_of(("editor",)) == frozenset()
    assert roles.unknown(["editor", "admin", "member", "wizard"]) == ["editor", "wizard"]
    assert roles.names() == ["admin", "member"]


def test_an_administrator_holds_what_a_newer_version_gave_a_role(store: Store, roles: Roles) -> None:
    store.role_books.save(RoleBook(1, {"editor": Role("editor", ("texts:write",))}))
    assert roles.permissions_of(("admin",)) == PERMISSIONS | {"texts:write"}


def test_permissions_and_roles_are_named_as_the_contract_says() -> None:
    assert {
        "api_keys:read",
        "service_accounts:read",
        "service_accounts:write",
        "users:read",
        "users:write",
        "users:impersonate",
        "roles:read",
        "roles:write",
        "audit:read",
        "clients:read",
        "clients:trust",
        "clients:write",
        "keys:write",
        "products:write",
        "webhooks:write",
    } == PERMISSIONS
    assert all(re.fullmatch(r"[a-z_]+:[a-z]+", name) for name in PERMISSIONS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", name) for name in BUILT_IN)
