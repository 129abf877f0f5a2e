"""Who a request acts for."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from app.accounts.principal import Principal


def test_a_principal_has_no_permissions_until_they_are_given_and_keeps_everything_else() -> None:
    given: dict[str, Any] = {field.name: object() for field in fields(Principal) if field.name != "permissions"}
    principal = Principal(**given)
    permitted = principal.with_permissions(frozenset({"users:read"}))

    assert not principal.permissions
    assert permitted.permissions == {"users:read"}
    assert {name: getattr(permitted, name) for name in given} == given
