"""The outbox serves every holder, whatever is wrong with another."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from app.accounts.account import Account
from app.accounts.holders import AccountHolders
from app.accounts.sql import USERS
from app.outbox.model import Entry
from app.outbox.service import Box, Outbox
from tests.contract.entities import HASH, MINUTE, NOW, a_user
from tests.stores import Store, database_of, sql_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = sql_store(f"sqlite:///{tmp_path}/latchkey.db")
    made.prepare()
    yield made
    made.close()


@pytest.mark.parametrize("number", [1, 60])
def test_accounts_that_cannot_be_read_block_no_other(store: Store, number: int) -> None:
    for corrupt in (*["{"] * (number // 2), *['{"codes": [{"id": "c"}]}'] * (number - number // 2)):
        account = Account(a_user(), HASH, due_at=NOW - MINUTE)
        store.users.add(account)
        change = update(USERS).where(USERS.c.id == account.user.id).values(under_way=corrupt)
        database_of(store).change(change, {})
    store.users.add(Account(a_user(), HASH, outbox=(Entry("e", "known", {}, NOW),), due_at=NOW))
    done: list[str] = []
    handlers = {"known": lambda _, entry: done.append(entry.id)}
    outbox = Outbox((Box(AccountHolders(store.users), handlers),), lambda: NOW, Event())
    assert outbox.deliver_due() == 1
    assert done == ["e"]
    assert outbox.deliver_due() == 0
