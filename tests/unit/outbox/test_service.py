"""The outbox serves every holder, whatever is wrong with another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from app.accounts.account import Account
from app.accounts.holders import AccountHolders, MailRequestHolders
from app.accounts.mail_requests.model import MailRequest, PendingRegistration
from app.accounts.mail_requests.sql import MAIL_REQUESTS
from app.accounts.sql import USERS
from app.outbox.model import Entry
from app.outbox.service import Box, Outbox, Wakes
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


@pytest.mark.parametrize("number", [2, 60])
def test_accounts_that_cannot_be_read_block_no_other(store: Store, number: int) -> None:
    for corrupt in (*["{"] * (number // 2), *['{"codes": [{"id": "c"}]}'] * (number - number // 2)):
        account = Account(a_user(), HASH, due_at=NOW - MINUTE)
        store.users.add(account)
        change = update(USERS).where(USERS.c.id == account.user.id).values(under_way=corrupt)
        database_of(store).change(change, {})
    assert_delivers(store)


def test_requests_for_mail_that_cannot_be_read_block_no_account(store: Store) -> None:
    registration = PendingRegistration(password_hash=HASH)
    store.mail_requests.add(MailRequest("r", "register", "a@b.test", NOW, NOW + MINUTE, NOW, 0, registration))
    database_of(store).change(update(MAIL_REQUESTS).values(registration="{}"), {})
    assert_delivers(store)


def assert_delivers(store: Store) -> None:
    """The entry of one more account is done."""
    store.users.add(Account(a_user(), HASH, outbox=(Entry("e", "known", {}, NOW),), due_at=NOW))
    done: list[str] = []
    requests: Box[MailRequest, MailRequest] = Box(MailRequestHolders(store.mail_requests), {})
    accounts: Box[str, Account] = Box(AccountHolders(store.users), {"known": lambda _, entry: done.append(entry.id)})
    outbox = Outbox((requests, accounts), lambda: NOW, Wakes())
    with capture_logs() as logged:
        assert outbox.deliver_due() == 1
    assert done == ["e"]
    assert {line["event"] for line in logged} == {"outbox failed"}


def test_what_is_polled_goes_first_and_wakes_nobody_and_what_is_queued_later_wakes_the_courier(store: Store) -> None:
    store.users.add(Account(a_user(), HASH, outbox=(Entry("e", "known", {}, NOW),), due_at=NOW))
    store.mail_requests.add(MailRequest("r", "reset", "a@b.test", NOW, NOW + MINUTE, NOW))
    wakes, done = Wakes(), list[tuple[str, bool]]()

    def handle(_owner: object, entry: Entry) -> None:
        done.append((entry.id, wakes.is_set()))
        wakes.set()

    accounts: Box[str, Account] = Box(AccountHolders(store.users), {"known": handle})
    requests: Box[MailRequest, MailRequest] = Box(
        MailRequestHolders(store.mail_requests), {"reset": handle}, polled=True
    )
    assert Outbox((accounts, requests), lambda: NOW, wakes).deliver_due() == 2
    assert done == [("r", False), ("e", False)]
    assert wakes.is_set()
