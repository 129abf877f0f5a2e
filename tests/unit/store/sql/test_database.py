"""Reads and transactions: which errors mean that no answer came, and that none of them loses anything."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import Connection, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.accounts.account import Account
from app.accounts.held_emails.sql import HELD_EMAILS
from app.accounts.mail_requests.model import MailRequest, PendingRegistration
from app.accounts.sql import USERS
from app.jobs.sql import LEASES
from app.platform.errors import Unavailable
from app.sessions.sql import SESSIONS
from app.store.sql.backends import backend_of
from app.store.sql.connection import Connection as KeptConnection
from app.store.sql.database import Database
from app.store.unusable import UnusableStoreError
from tests.contract.entities import HASH, MINUTE, NOW, a_session, a_user
from tests.servers.sql import SqlServer
from tests.stores import Store, database_of, sql_store
from tests.unit.store.sql.watching import before_read, before_write

A_FAULT = text("SELECT * FROM no_such_table")


@pytest.fixture
def database(store: Store) -> Database:
    """The database of a store that is ready."""
    return database_of(store)


def test_a_product_that_is_not_supported_is_named() -> None:
    with pytest.raises(ValueError, match="no store on oracle; use sqlite, postgresql or mysql"):
        backend_of("oracle://localhost/latchkey")


def test_a_database_refusal_is_reported_in_one_line_with_its_cause(database: Database) -> None:
    for ask in (lambda: database.rows(A_FAULT), lambda: database.change(A_FAULT, {})):
        with pytest.raises(UnusableStoreError, match=r"refuses what it is asked \(.*no_such_table") as refused:
            ask()
        assert "\n" not in str(refused.value)
        assert isinstance(refused.value.__cause__, DBAPIError)


def test_failed_reads_and_writes_use_up_no_connections(database: Database) -> None:
    for _ in range(database.backend.kept_readers + 1):
        with pytest.raises(UnusableStoreError):
            database.rows(A_FAULT)
        with pytest.raises(UnusableStoreError):
            database.change(A_FAULT, {})
    assert database.rows(select(func.count()).select_from(USERS))[0][0] == 0
    assert database.change(delete(USERS), {}) == 0


def test_an_error_shows_no_values(store: Store) -> None:
    registration = PendingRegistration("grace", password_hash=HASH)
    request = MailRequest("id", "register", "grace@example.org", NOW, NOW, NOW, registration=registration)
    store.mail_requests.add(request)
    with pytest.raises(IntegrityError) as raised:
        store.mail_requests.add(request)
    assert HASH not in str(raised.value)
    assert "grace" not in str(raised.value)


def test_an_error_inside_a_transaction_leaves_nothing_behind(database: Database) -> None:
    def break_off(connection: KeptConnection) -> None:
        connection.execute(insert(LEASES), {"job": "purge", "holder": "a", "until": NOW})
        assert connection.execute(select(LEASES.c.job)).scalar() == "purge"
        raise ZeroDivisionError

    with suppress(ZeroDivisionError):
        database.write(break_off)
    assert database.rows(select(LEASES.c.job)) == []


def test_a_read_that_finds_every_connection_in_use_is_refused(database: Database) -> None:
    readers = database._readers  # noqa: SLF001 - no read is slow on every backend
    taken = [readers._take() for _ in range(database.backend.kept_readers)]  # noqa: SLF001
    with pytest.raises(Unavailable):
        database.rows(text("SELECT 1"))
    for connection in taken:
        readers._give_up(connection)  # noqa: SLF001
    assert database.rows(text("SELECT 1"))[0][0] == 1


def test_postgresql_itself_gives_up_a_statement_that_takes_too_long(postgres_server: SqlServer) -> None:
    store = sql_store(postgres_server.create_database())
    with pytest.raises(Unavailable) as refused:
        database_of(store).rows(text("SELECT pg_sleep(60)"))
    assert isinstance(refused.value.__cause__, DBAPIError)
    assert not refused.value.__cause__.connection_invalidated
    store.close()


def test_the_sessions_of_a_deleted_user_are_deleted_too(
    store: Store, database: Database, beside: Callable[[], Connection]
) -> None:
    ada, eve = a_user(username="ada"), a_user(username="eve")
    for user in (ada, eve):
        store.users.add(Account(user, HASH))
        store.sessions.open(a_session(user))
    database.change(delete(USERS).where(USERS.c.id == ada.id), {})
    with beside() as connection:
        assert connection.execute(select(SESSIONS.c.user_id)).scalars().all() == [eve.id]


def test_a_lease_that_another_is_about_to_take_first_is_not_taken(
    store: Store, beside: Callable[[], Connection]
) -> None:
    with ThreadPoolExecutor(1) as pool, beside() as connection:
        connection.execute(insert(LEASES), {"job": "purge", "holder": "a", "until": NOW + MINUTE})
        late = pool.submit(store.leases.take, "purge", holder="b", now=NOW, until=NOW + MINUTE)
        with pytest.raises(TimeoutError):
            late.result(timeout=0.05)
        connection.commit()
        assert late.result() is False


def test_a_name_that_was_given_up_before_it_is_looked_for_is_free(
    store: Store, database: Database, beside: Callable[[], Connection]
) -> None:
    ada = a_user(email="ada@example.org", username="ada")
    store.users.add(Account(ada, HASH))

    def give_up() -> None:
        with beside() as connection, connection.begin():
            connection.execute(update(USERS).where(USERS.c.id == ada.id).values(email=None, email_key=None))

    before_read(database, give_up)
    eve = Account(a_user(email="ada@example.org"), HASH)
    store.users.add(eve)
    assert store.users.account_by_email("ada@example.org") == eve


@pytest.mark.parametrize("faster", ["ada", "eve"])
def test_of_two_holds_that_begin_at_once_the_first_one_counts(
    store: Store, database: Database, beside: Callable[[], Connection], faster: str
) -> None:
    def begin() -> None:
        with beside() as connection, connection.begin():
            row = {"email_key": "ada@example.org", "user_id": faster, "expires_at": NOW + MINUTE}
            connection.execute(insert(HELD_EMAILS), row)

    # Between the search for a hold and the insert of a new one.
    before_write(database, begin, number=2)
    held = store.held_emails.hold("ada@example.org", "ada", now=NOW, until=NOW + 2 * MINUTE)
    assert held is (faster == "ada")
    assert store.held_emails.holder("ada@example.org", NOW) == faster
    assert store.held_emails.holder("ada@example.org", NOW + MINUTE) == ("ada" if held else None)


def test_a_row_that_was_renewed_after_a_purge_found_it_stays(
    store: Store, database: Database, beside: Callable[[], Connection]
) -> None:
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))
    sessions = [a_session(user, idle_expires_at=NOW) for _ in range(3)]
    for session in sessions:
        store.sessions.open(session)

    def renew() -> None:
        with beside() as connection, connection.begin():
            renewed = update(SESSIONS).where(SESSIONS.c.id == sessions[1].id)
            connection.execute(renewed.values(idle_expires_at=NOW + MINUTE))

    before_write(database, renew)
    assert store.sessions.delete_expired(NOW, 10) == 2
    assert store.sessions.principal(sessions[1].id, user.id, NOW) is not None


def test_concurrent_logins_of_one_user_do_not_end_each_other(store: Store) -> None:
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))

    def log_in_often(_: int) -> None:
        for _again in range(20):
            store.sessions.open(a_session(user))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(log_in_often, range(4))) == [None] * 4


def test_a_login_of_a_user_who_was_deleted_meanwhile_leaves_no_session(
    store: Store, beside: Callable[[], Connection]
) -> None:
    user = a_user(username="ada")
    store.sessions.open(a_session(user))
    store.users.add(Account(replace(user, status="deleted"), HASH))
    store.sessions.open(a_session(user))
    with beside() as connection:
        assert connection.execute(select(SESSIONS.c.id)).all() == []
