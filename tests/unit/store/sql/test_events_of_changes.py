"""A change of an account and its events are one transaction: of a process that dies in between neither is kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from app.accounts.account import Account
from app.audit.model import AuditEvent
from tests.contract.entities import DAY, HASH, NOW, a_user
from tests.contract.races import new_processes
from tests.stores import Store, database_of, sql_store
from tests.unit.store.sql.watching import watch

if TYPE_CHECKING:
    import pytest

USER = a_user(id="ada", username="ada")
EVENT = AuditEvent("e", USER.id, "password.changed", NOW, "2001:db8::1", "curl", NOW + DAY)
KILLED = 9


def change_and_die(url: str, new: bool) -> None:  # noqa: FBT001 - for a process
    """Change or add the account, and die before its event is written."""
    store = sql_store(url)

    def die(statement: str, _: object) -> None:
        if statement.startswith("INSERT INTO events"):
            os._exit(KILLED)

    database = database_of(store)
    watch(database, die, database.backend.writer)
    if new:
        store.users.add(Account(USER, HASH), [EVENT])
    else:
        store.users.save(Account(USER, "new"), [EVENT])


def test_of_a_process_that_dies_before_the_event_the_change_is_not_kept_either(
    url: str, store: Store, subtests: pytest.Subtests
) -> None:
    for new in (True, False):
        with subtests.test(new=new):
            if not new:
                store.users.add(Account(USER, HASH))
            process = new_processes().Process(target=change_and_die, args=(url, new))
            process.start()
            process.join()
            assert process.exitcode == KILLED
            assert store.users.account(USER.id) == (None if new else Account(USER, HASH))
            assert store.events.page_of(USER.id, before=None, limit=10) == []
    assert store.users.save(Account(USER, "new"), [EVENT])
    assert store.events.page_of(USER.id, before=None, limit=10) == [EVENT]
