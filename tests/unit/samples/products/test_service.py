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
from app.sessions.impersonation import ImpersonationService
from tests.unit.instance import DEVICE, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

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


def test_an_impersonation_makes_products_as_long_as_it_is_live(start: Callable[..., Instance]) -> None:
    instance = start(IMPERSONATION="on")
    ann, products = instance.register("ann"), instance.get(SampleProductService)
    principal = instance.impersonation_of(ann, instance.administrator())

    assert products.create(principal, LAMP).owner_id == ann
    instance.get(ImpersonationService).end(principal.session_id, ann, DEVICE)
    with pytest.raises(SessionEnded):
        products.create(principal, LAMP)
    assert len(products.list_of(ann, after=None, limit=10).products) == 1
