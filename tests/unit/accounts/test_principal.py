"""Who a request acts for."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from app.accounts.principal import Principal
from tests.contract.entities import NOW, a_user, an_impersonation

if TYPE_CHECKING:
    from app.web.caller import CallerKind


def test_a_principal_has_no_permissions_until_they_are_given_and_keeps_everything_else() -> None:
    given: dict[str, Any] = {field.name: object() for field in fields(Principal) if field.name != "permissions"}
    principal = Principal(**given)
    permitted = principal.with_permissions(frozenset({"users:read"}))

    assert not principal.permissions
    assert permitted.permissions == {"users:read"}
    assert {name: getattr(permitted, name) for name in given} == given
    assert not permitted.with_permissions(frozenset()).permissions


@pytest.mark.parametrize(
    ("kind", "actor_id", "on", "responsible"),
    [
        ("session", None, "ann", None),
        ("session", None, "bob", "ann"),
        ("impersonation", "root", "ann", "root"),
        ("api_key", None, "ann", None),
        ("api_key", None, "bob", "ann"),
    ],
)
def test_who_is_responsible_for_a_change_is_named_if_it_is_another_user(
    kind: CallerKind, actor_id: str | None, on: str, responsible: str | None
) -> None:
    begun = None if actor_id is None else an_impersonation(actor_id=actor_id)
    principal = Principal(a_user(id="ann"), "s", NOW, NOW, kind=kind, impersonation=begun)

    assert principal.actor_on(on) == responsible
