"""Frequent statements use an index, on every backend, however many users there are."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, RowMapping, insert, text

from app.accounts.account import Account
from app.accounts.held_emails.sql import HELD_EMAILS
from app.accounts.mail_requests.sql import MAIL_REQUESTS
from app.accounts.sql import USER_ROLES, USERS
from app.api_keys.model import KEPT_EXPIRED
from app.api_keys.sql import API_KEYS
from app.audit.chain.sql import LINKS
from app.audit.model import Place, Search
from app.audit.sql import EVENTS
from app.roles.sql import GUARDS, ROLE_BOOKS
from app.sessions.sql import SESSIONS
from app.store.sql.schema import METADATA
from app.throttle.model import FailureCount
from app.throttle.sql import LOGIN_FAILURES
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_link, a_session
from tests.stores import Store, database_of
from tests.unit.store.sql.watching import watch

ROWS = 3000
SOON = [NOW + timedelta(minutes=number + 1) for number in range(ROWS)]
IDS = [f"00000000-0000-7000-8000-{number:012}" for number in range(ROWS)]

LATER = NOW + 5 * MINUTE
READS: dict[str, Callable[[Store], object]] = {
    "principal": lambda store: store.sessions.principal(IDS[7], IDS[7], NOW),
    "session": lambda store: store.sessions.find_live(IDS[7], NOW),
    "sessions of a user": lambda store: store.sessions.of_user(IDS[7], NOW),
    "account": lambda store: store.users.account(IDS[7]),
    "account by e-mail": lambda store: store.users.account_by_email("7@example.org"),
    "accounts that change to an e-mail": lambda store: store.users.accounts_changing_to("7@example.com", 10),
    "accounts that are due": lambda store: store.users.due(LATER, 100),
    "credentials by e-mail": lambda store: store.users.credentials_by_email("7@example.org"),
    "credentials by user name": lambda store: store.users.credentials_by_username("user7"),
    "page": lambda store: store.users.page(after=IDS[-100], limit=50, active_only=False),
    "page of accounts": lambda store: store.users.page_of_accounts(after=IDS[-100], limit=50),
    "page of hashes": lambda store: store.users.page_of_hashes(after=IDS[-100], limit=50),
    "page of imported apps": lambda store: store.users.page_of_imported_apps(after=IDS[-100], limit=50),
    "page of active users": lambda store: store.users.page(after=IDS[-100], limit=50, active_only=True),
    "users by identifier": lambda store: store.user_search.by_id(IDS[-100], 50),
    "users by status": lambda store: store.user_search.by_status("disabled", "", 50),
    "users by role": lambda store: store.user_search.by_role(f"role-{IDS[7]}", "", 50),
    "users by address": lambda store: store.user_search.by_key("email_key", "77", key="", after="", limit=50),
    "users by address, going on": lambda store: store.user_search.by_key(
        "email_key", "77", key="777@example.org", after=IDS[777], limit=50
    ),
    "users by user name": lambda store: store.user_search.by_key("username_key", "user77", key="", after="", limit=50),
    "users by name": lambda store: store.user_search.by_key("name_key", "name 77", key="", after="", limit=50),
    "users by name, going on": lambda store: store.user_search.by_key(
        "name_key", "name 77", key="name 777", after=IDS[777], limit=50
    ),
    "keys of users": lambda store: store.user_search.keys(IDS[-100], 50),
    "holder of an e-mail": lambda store: store.held_emails.holder("7@example.org", NOW),
    "mail request": lambda store: store.mail_requests.get(IDS[7]),
    "mail requests that are due": lambda store: store.mail_requests.due(LATER, 100),
    "registrations of an e-mail": lambda store: store.mail_requests.registrations("7@example.org", NOW, 10),
    "events of a user": lambda store: store.events.page_of(IDS[7], before=None, limit=50),
    "events of a user, going on": lambda store: store.events.page_of(IDS[7], before=IDS[-1], limit=50),
    "events, going on": lambda store: store.events.search(Search(), before=Place(SOON[7], IDS[7]), limit=50),
    "events since": lambda store: store.events.search(Search(since=SOON[-9]), before=None, limit=50),
    "events of a user in time": lambda store: store.events.search(Search(IDS[7]), before=None, limit=50),
    "events of an action in time": lambda store: store.events.search(
        Search(action="login", since=SOON[-9]), before=Place(SOON[-2], IDS[-2]), limit=50
    ),
    "links": lambda store: store.links.page(after=ROWS // 2 - 100, limit=50),
    "links since": lambda store: store.links.first_since(SOON[ROWS // 2 - 9]),
    "sealed events": lambda store: store.links.sealed(5, 9, 50),
    "sealed events up to the end": lambda store: store.links.sealed(ROWS // 2 - 9, None, 50),
    "failures": lambda store: store.login_failures.get(f"{7:064}"),
    "whether a role is held": lambda store: store.users.is_role_held(f"role-{IDS[7]}"),
    "roles": lambda store: store.role_books.load(),
    "service accounts": lambda store: store.users.service_accounts(after=None, limit=50),
    "API key": lambda store: store.api_keys.find(IDS[7]),
    "API keys": lambda store: store.api_keys.some([IDS[7], IDS[9]]),
    "expired sessions": lambda store: store.sessions.delete_expired(LATER, 100),
    "expired failures": lambda store: store.login_failures.delete_expired(LATER, 100),
    "expired holds": lambda store: store.held_emails.delete_expired(LATER, 100),
    "expired mail requests": lambda store: store.mail_requests.delete_expired(LATER, 100),
    "expired events": lambda store: store.events.delete_expired(LATER, 100),
}

IN_TWO_STEPS = {"users by name, going on": 2}


def account(store: Store) -> Account:
    found = store.users.account(IDS[7])
    assert found
    return found


# In this order: each finds what it is about.
WRITES: dict[str, Callable[[Store], object]] = {
    "session opened": lambda store: store.sessions.open(a_session(account(store).user)),
    "a session too many": lambda store: store.sessions.open(a_session(account(store).user), most=1),
    "session renewed": lambda store: store.sessions.rotate(IDS[7], 0, now=NOW, idle_expires_at=LATER, ip=""),
    "use of a session noted": lambda store: store.sessions.touch(IDS[7], LATER),
    "session ended": lambda store: store.sessions.end(IDS[7], IDS[7]),
    "all sessions of a user ended": lambda store: store.sessions.end_some_of(IDS[7], 100),
    "account saved": lambda store: store.users.save(account(store)),
    "role confirmed": lambda store: store.users.confirm_role(IDS[7], "member"),
    "hash replaced": lambda store: store.users.replace_hash(IDS[7], HASH, HASH),
    "e-mail held": lambda store: store.held_emails.hold("7@example.org", IDS[7], now=NOW, until=LATER),
    "e-mail given up": lambda store: store.held_emails.release("7@example.org", IDS[7]),
    "mail request done": lambda store: store.mail_requests.remove(IDS[7]),
    "failure counted": lambda store: store.login_failures.advance(
        f"{7:064}", FailureCount(1, NOW, SOON[7]), FailureCount(2, NOW, LATER)
    ),
    "use of an API key noted": lambda store: store.api_keys.touch(IDS[8], LATER),
    "API key removed": lambda store: store.api_keys.remove(IDS[8]),
    "API keys of a user removed": lambda store: store.api_keys.remove_some_of(IDS[7], 100),
    "expired API keys": lambda store: store.api_keys.delete_expired(LATER + KEPT_EXPIRED, 100),
    "failures forgotten": lambda store: store.login_failures.clear(f"{7:064}", FailureCount(1, NOW, SOON[7])),
    "events not sealed": lambda store: store.links.unsealed(NOW, after=IDS[ROWS // 2], limit=3),
    "users who were deleted": lambda store: store.links.deleted([IDS[7], IDS[8]]),
    "events sealed": lambda store: store.links.append([a_link(ROWS + 1, event_id=IDS[ROWS - 7])]),
    "events made anonymous": lambda store: store.events.anonymise_some(IDS[7], after=IDS[3], limit=100),
    "account removed": lambda store: store.users.remove(IDS[7]),
}


@pytest.fixture
def filled(store: Store, beside: Callable[[], Connection]) -> Store:
    """A store with thousands of users, each with a session, a failed login, and all that can be under way."""
    with beside() as connection, connection.begin():
        connection.execute(
            insert(USERS),
            [
                {
                    "id": IDS[number], "email": f"{number}@example.org", "email_key": f"{number}@example.org",
                    "email_verified": True, "username": f"user{number}", "username_key": f"user{number}",
                    "name_key": f"name {number}", "listed_status": None if number % 100 else "disabled",
                    "roles": "member", "status": "active", "created_at": NOW, "password_hash": HASH,
                    "auth_epoch": 0, "pending_email_key": f"{number}@example.com", "due_at": SOON[number],
                    "kind": None if number % 100 else "service",
                }
                for number in range(ROWS)
            ],
        )  # fmt: skip
        connection.execute(insert(USER_ROLES), [{"role": f"role-{user_id}", "user_id": user_id} for user_id in IDS])
        for table in (ROLE_BOOKS, GUARDS):
            names = [{"name": f"{number}", "version": 1, "document": "{}"} for number in range(ROWS)]
            connection.execute(insert(table), names)
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
                    "id": IDS[number], "user_id": IDS[number], "action": "login", "at": SOON[number],
                    "expires_at": SOON[number], "seq": number if number < ROWS // 2 else None,
                }
                for number in range(ROWS)
            ],
        )  # fmt: skip
        connection.execute(
            insert(LINKS),
            [
                asdict(a_link(number + 1, event_id=IDS[number], sealed_at=SOON[number], hash="h" * 43))
                for number in range(ROWS // 2)
            ],
        )
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
            insert(API_KEYS),
            [
                {
                    "id": IDS[number], "user_id": IDS[number], "digest": bytes(32), "name": "", "permissions": "[]",
                    "created_at": NOW, "expires_at": SOON[number],
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
        connection.execute(text(f"ANALYZE TABLE {tables}" if store.common_name == "MySQL" else "ANALYZE"))
    return store


def listen(store: Store, *, writes: bool = False) -> list[tuple[str, Any]]:
    """A list to which each statement of reads, or of writes as well, is added from now on, with its values."""
    asked: list[tuple[str, Any]] = []
    database = database_of(store)
    engines = [database.backend.reader, *([database.backend.writer] if writes else [])]
    watch(database, lambda *call: asked.append(call), *engines)
    return asked


def plan_of(store: Store, beside: Callable[[], Connection], statement: str, values: Any) -> Sequence[RowMapping]:
    """How the backend would execute a statement, without executing it."""
    explain = "EXPLAIN QUERY PLAN" if store.common_name == "SQLite" else "EXPLAIN"
    with beside() as connection:
        return connection.exec_driver_sql(f"{explain} {statement}", values).mappings().all()


def goes_through_a_table(plan: Sequence[RowMapping]) -> bool:
    """Whether a backend's plan reads a table, or an index, from end to end."""
    steps = [str(dict(step)) for step in plan]
    whole = ("SCAN", "Seq Scan", "'type': 'ALL'", "'type': 'index'")
    return any(words in step for step in steps for words in whole)


def test_frequent_reads_use_an_index(filled: Store, beside: Callable[[], Connection]) -> None:
    asked = listen(filled)
    found = {}
    for name, read in READS.items():
        asked.clear()
        assert read(filled)
        assert len(asked) == IN_TWO_STEPS.get(name, 1)
        found[name] = any(goes_through_a_table(plan_of(filled, beside, *call)) for call in asked)
    assert found == dict.fromkeys(READS, False)


def test_frequent_writes_use_an_index(filled: Store, beside: Callable[[], Connection]) -> None:
    asked = listen(filled, writes=True)
    found = {}
    for name, write in WRITES.items():
        asked.clear()
        write(filled)
        looking = [call for call in asked if call[0].startswith(("SELECT", "UPDATE", "DELETE"))]
        assert looking, name
        found[name] = any(goes_through_a_table(plan_of(filled, beside, *call)) for call in looking)
    assert found == dict.fromkeys(WRITES, False)


def test_what_is_under_way_is_read_only_with_the_whole_account(filled: Store) -> None:
    asked = listen(filled)
    found = set()
    for name, read in READS.items():
        asked.clear()
        read(filled)
        if any("under_way" in statement for statement, _ in asked):
            found.add(name)
    logins = {"credentials by e-mail", "credentials by user name"}  # for the second factors
    by_key = logins | {"account", "account by e-mail", "accounts that change to an e-mail", "API key"}
    assert found == by_key | {"page of accounts", "page of imported apps"}  # the last one looks at it in the store


def test_the_events_of_a_user_are_found_by_the_user_also_if_their_action_is_given(
    store: Store, beside: Callable[[], Connection]
) -> None:
    """Also in a new SQLite file, which has no statistics."""
    asked = listen(store)
    store.events.search(Search(IDS[7], "login"), before=None, limit=50)
    (call,) = asked
    plan = str([dict(step) for step in plan_of(store, beside, *call)])
    assert "events_by_user" in plan
    assert "events_by_action" not in plan
