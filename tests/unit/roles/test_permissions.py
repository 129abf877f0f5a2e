"""Roles are sets of permissions."""

from __future__ import annotations

import re

from app.roles.permissions import PERMISSIONS, ROLES, permissions_of


def test_an_administrator_has_every_permission_and_a_member_none() -> None:
    assert permissions_of(("admin",)) == PERMISSIONS
    assert permissions_of(("member",)) == frozenset()
    assert permissions_of(("member", "admin")) == PERMISSIONS


def test_no_role_and_a_role_that_does_not_exist_permit_nothing() -> None:
    for roles in ((), ("Admin",), ("admin ",), ("root", "users:read")):
        assert permissions_of(roles) == frozenset()


def test_permissions_and_roles_are_named_as_the_contract_says() -> None:
    assert all(re.fullmatch(r"[a-z]+:[a-z]+", name) for name in PERMISSIONS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", name) for name in ROLES)
    assert all(permitted <= PERMISSIONS for permitted in ROLES.values())
