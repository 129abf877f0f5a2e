"""Roles are sets of permissions."""

from __future__ import annotations

import re

from app.features import PERMISSIONS
from app.roles.model import BUILT_IN
from app.roles.service import Roles

ROLES = Roles(PERMISSIONS)


def test_an_administrator_has_every_permission_and_a_member_none() -> None:
    assert ROLES.permissions_of(("admin",)) == PERMISSIONS
    assert ROLES.permissions_of(("member",)) == frozenset()
    assert ROLES.permissions_of(("member", "admin")) == PERMISSIONS


def test_no_role_and_a_role_that_does_not_exist_permit_nothing() -> None:
    for roles in ((), ("Admin",), ("admin ",), ("root", "users:read")):
        assert ROLES.permissions_of(roles) == frozenset()


def test_permissions_and_roles_are_named_as_the_contract_says() -> None:
    known = {"users:read", "users:write", "roles:write", "audit:read", "keys:write", "products:write"}
    assert known | {"webhooks:write"} == PERMISSIONS
    assert all(re.fullmatch(r"[a-z]+:[a-z]+", name) for name in PERMISSIONS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", name) for name in BUILT_IN)
