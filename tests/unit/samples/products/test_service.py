"""The rules for products."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from app.accounts.service import Accounts
from app.feature import LiveCallers
from app.platform.errors import SessionEnded
from app.platform.identifiers import new_id
from app.samples.products.service import NewProduct, SampleProductService
from tests.unit.instance import session_of

if TYPE_CHECKING:
    from tests.unit.instance import Instance

LAMP = NewProduct("Desk lamp", Decimal("19.99"))


def test_an_api_key_makes_products_as_long_as_it_is_live(instance: Instance) -> None:
    owner_id = instance.register()
    key = replace(session_of(instance.wired, owner_id), kind="api_key", session_id="", key_id=new_id())
    live = [key]
    callers = LiveCallers({"api_key": lambda by: by if by in live else None})
    products = instance.get(SampleProductService)
    products = replace(products, accounts=replace(instance.get(Accounts), callers=callers))

    assert products.create(key, LAMP).owner_id == owner_id
    live.clear()
    with pytest.raises(SessionEnded):
        products.create(key, LAMP)
    assert len(products.list_of(owner_id, after=None, limit=10).products) == 1


def test_an_impersonation_makes_products_only_in_its_session(instance: Instance) -> None:
    principal = replace(session_of(instance.wired, instance.register()), kind="impersonation", actor_id=new_id())
    callers = LiveCallers({"impersonation": lambda by: by})
    products = instance.get(SampleProductService)
    products = replace(products, accounts=replace(instance.get(Accounts), callers=callers))

    products.create(principal, LAMP)
    instance.store.sessions.end(principal.session_id, principal.user.id)
    with pytest.raises(SessionEnded):
        products.create(principal, LAMP)
