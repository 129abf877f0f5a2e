"""What is asked often is found by an index, on every product, however many users there are."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, RowMapping, event, insert, text

from app.models.sql.schema import EVENTS, HELD_EMAILS, LOGIN_FAILURES, MAIL_REQUESTS, METADATA, SESSIONS, USERS
from app.models.sql.store import SqlStore
from tests.contract.entities import DAY, HASH, MINUTE, NOW

ROWS = 3000
SOON = [NOW + timedelta(minutes=number + 1) for number in range(ROWS)]
IDS = [f"00000000-0000-7000-8000-{number:012}" for number in range(ROWS)]

LATER = NOW + 5 * MINUTE
READS: dict[str, Callable[[SqlStore], object]] = {
    "principal": lambda store: store.sessions.principal(IDS[7], IDS[7], NOW),
    "session": lambda store: store.sessions.find(IDS[7], NOW),
    "sessions of a user": lambda store: store.sessions.of_user(IDS[7], NOW),
    "account": lambda store: store.users.account(IDS[7]),
    "account by e-mail": lambda store: store.users.account_by_email("7@example.org"),
    "accounts that change to an e-mail": lambda store: store.users.accounts_changing_to("7@example.com", 10),
    "accounts that are due": lambda store: store.users.due(LATER, 100),
    "credentials by e-mail": lambda store: store.users.credentials_by_email("7@example.org"),
    "credentials by user name": lambda store: store.users.credentials_by_username("user7"),
    "page": lambda store: store.users.page(after=IDS[-100], limit=50, active_only=False),
    "page of active users": lambda store: store.users.page(after=IDS[-100], limit=50, active_only=True),
    "holder of an e-mail": lambda store: store.held_emails.holder("7@example.org", NOW),
    "mail request": lambda store: store.mail_requests.get(IDS[7]),
    "mail requests that are due": lambda store: store.mail_requests.due(LATER, 100),
    "registrations of an e-mail": lambda store: store.mail_requests.registrations("7@example.org", NOW, 10),
    "events of a user": lambda store: store.events.page(IDS[7], before=None, limit=50),
    "events of a user, going on": lambda store: store.events.page(IDS[7], before=IDS[-1], limit=50),
    "failures": lambda store: store.login_failures.get(f"{7:064}"),
    "expired sessions": lambda store: store.sessions.purge(LATER, 100),
    "expired failures": lambda store: store.login_failures.purge(LATER, 100),
    "expired holds": lambda store: store.held_emails.purge(LATER, 100),
    "expired mail requests": lambda store: store.mail_requests.purge(LATER, 100),
    "expired events": lambda store: store.events.purge(LATER, 100),
}


@pytest.fixture
def filled(store: SqlStore, beside: Callable[[], Connection]) -> SqlStore:
    """A store with thousands of users, each with a session, a failed login, and all that can be under way."""
    with beside() as connection, connection.begin():
        connection.execute(
            insert(USERS),
            [
                {
                    "id": IDS[number], "email": f"{number}@example.org", "email_key": f"{number}@example.org",
                    "email_verified": True, "username": f"user{number}", "username_key": f"user{number}",
                    "roles": "member", "status": "active", "created_at": NOW, "password_hash": HASH,
                    "auth_epoch": 0, "pending_email_key": f"{number}@example.com", "due_at": SOON[number],
                }
                for number in range(ROWS)
            ],
        )  # fmt: skip
        connection.execute(
            insert(HELD_EMAILS),
            [
                {"email_key": f"{number}@example.org", "user_id": IDS[number], "expires_at": SOON[number]}
                for number in range(ROWS)
            ],
        )
        connection.execute(
            insert(MAIL_REQUESTS),
            [
                {
                    "id": IDS[number], "kind": "register", "email": f"{number}@example.org",
                    "email_key": f"{number}@example.org", "created_at": NOW, "expires_at": SOON[number],
                    "due_at": SOON[number], "attempts": 0,
                }
                for number in range(ROWS)
            ],
        )  # fmt: skip
        connection.execute(
            insert(EVENTS),
            [
                {
                    "id": IDS[number], "user_id": IDS[number], "action": "login", "at": NOW,
                    "expires_at": SOON[number],
                }
                for number in range(ROWS)
            ],
        )  # fmt: skip
        connection.execute(
            insert(SESSIONS),
            [
                {
                    "id": IDS[number], "user_id": IDS[number], "auth_epoch": 0, "seed": bytes(32), "generation": 0,
                    "created_at": NOW, "last_used_at": NOW, "idle_expires_at": SOON[number],
                    "expires_at": SOON[number] + DAY, "ip": "", "user_agent": "",
                }
                for number in range(ROWS)
            ],
        )  # fmt: skip
        connection.execute(
            insert(LOGIN_FAILURES),
            [
                {"digest": f"{number:064}", "count": 1, "blocked_until": NOW, "expires_at": SOON[number]}
                for number in range(ROWS)
            ],
        )
    with beside() as connection, connection.begin():
        tables = ", ".join(METADATA.tables)
        connection.execute(text(f"ANALYZE TABLE {tables}" if store.product == "MySQL" else "ANALYZE"))
    return store


def goes_through_a_table(plan: Sequence[RowMapping]) -> bool:
    """Whether a product's plan reads a table, or an index, from end to end."""
    steps = [str(dict(step)) for step in plan]
    whole = ("SCAN", "Seq Scan", "'type': 'ALL'", "'type': 'index'")
    return any(words in step for step in steps for words in whole)


def test_what_is_asked_often_is_found_by_an_index(filled: SqlStore, beside: Callable[[], Connection]) -> None:
    asked: list[tuple[str, Any]] = []
    reader = filled._database.product.reader  # noqa: SLF001 - where the statements pass
    event.listen(reader, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    explain = "EXPLAIN QUERY PLAN" if filled.product == "SQLite" else "EXPLAIN"
    found = {}
    for name, read in READS.items():
        asked.clear()
        assert read(filled)
        [(statement, values)] = asked
        with beside() as connection:
            plan = connection.exec_driver_sql(f"{explain} {statement}", values).mappings().all()
        found[name] = goes_through_a_table(plan)
    assert found == dict.fromkeys(READS, False)
