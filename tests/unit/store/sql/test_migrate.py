"""Migrations make the schema: in several processes at once, after a crash, and never backwards."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Column, Connection, MetaData, Table, bindparam, delete, insert, inspect, select, text, update

from app.accounts.account import Account
from app.accounts.model import User
from app.accounts.notices import Notice
from app.accounts.sql import USER_ROLES, USERS
from app.accounts.under_way import LiveCode, UnderWay
from app.platform.errors import EmailTaken
from app.platform.identifiers import new_id
from app.sessions.model import Session
from app.sessions.sql import SESSIONS
from app.store.codec import Codec, from_json, to_json
from app.store.sql import migrate
from app.store.sql.backends import backend_of
from app.store.sql.columns import LONG_TEXT
from app.store.sql.revision import SchemaError
from app.store.sql.schema import MIGRATIONS, REVISION
from tests.contract.entities import HASH, NOW, a_session, a_user, a_whole_account
from tests.contract.races import new_processes
from tests.stores import Store, sql_store

PROCESSES = 4
UNDER_WAY = Codec(UnderWay)


def problems(url: str) -> list[str]:
    store = sql_store(url)
    try:
        return store.problems()
    finally:
        store.close()


def test_the_tables_of_the_code_have_the_revision_of_the_last_migration() -> None:
    assert migrate.history()[-1].revision == REVISION


def test_every_migration_says_what_it_makes() -> None:
    assert all(migration.summary for migration in migrate.history())


def test_the_migrations_make_exactly_the_tables_of_the_code(url: str) -> None:
    assert migrate.current(url) is None
    migrate.upgrade(url)
    assert migrate.current(url) == REVISION
    assert problems(url) == []


def test_migrations_are_found_from_any_working_directory(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    migrate.upgrade(url)
    assert migrate.current(url) == REVISION


def test_an_upgrade_keeps_what_is_there(url: str, store: Store) -> None:
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))
    migrate.upgrade(url)
    assert store.users.page(after=None, limit=2, active_only=True) == [user]


BROUGHT_BY_THE_FIFTH = {"kind"}
"""Columns of users."""
BROUGHT_BY_THE_SIXTH = {"authenticated_at", "amr"}
"""Columns of sessions."""
BROUGHT_BY_THE_EIGHTH = {"client_id", "first_party", "scopes", "resources", "parent_id", "dpop_jkt"}
"""Columns of sessions."""


@pytest.fixture
def first(url: str, beside: Callable[[], Connection]) -> tuple[User, Session]:
    """A user and their session, in a database of the first revision."""
    upgrade_to(url, "0001")
    user = a_user(email="ada@example.org", username="ada", name="Ada", roles=("admin", "member"))
    session = a_session(user)
    account = {
        "email_key": "ada@example.org", "username_key": "ada", "password_hash": HASH, "auth_epoch": 0,
    }  # fmt: skip
    with beside() as connection, connection.begin():
        connection.execute(insert(USERS), {**_facts_of(user), "roles": "admin,member", **account})
        came_later = BROUGHT_BY_THE_SIXTH | BROUGHT_BY_THE_EIGHTH
        columns = {name: found for name, found in asdict(session).items() if name not in came_later}
        connection.execute(insert(SESSIONS), columns)
    return user, session


def _facts_of(user: User) -> dict[str, object]:
    """The columns of a user that the first four revisions had."""
    return {name: found for name, found in asdict(user).items() if name not in BROUGHT_BY_THE_FIFTH}


def upgrade_to(url: str, revision: str) -> None:
    backend = backend_of(url)
    backend.create()
    config = migrate._config()  # noqa: SLF001 - no version of the service stops on the way
    with backend.migrating() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_the_accounts_of_the_first_revision_live_on(
    url: str, first: tuple[User, Session], beside: Callable[[], Connection]
) -> None:
    user, session = first
    store = sql_store(url)
    store.prepare()
    assert store.problems() == []
    account = store.users.account(user.id)
    assert account == Account(user, HASH)
    assert store.sessions.of_user(user.id, NOW) == [session]
    assert store.users.save(replace(account, password_hash=None))
    with pytest.raises(EmailTaken):
        store.users.add(Account(a_user(email="ada@example.org"), HASH))
    store.users.remove(user.id)
    with beside() as connection:
        assert connection.execute(select(SESSIONS.c.id)).all() == []
    store.close()


@pytest.mark.usefixtures("first")
def test_an_earlier_version_can_still_add_users(url: str, beside: Callable[[], Connection]) -> None:
    migrate.upgrade(url)
    grace = a_user()
    with beside() as connection, connection.begin():
        row = {**_facts_of(grace), "roles": "member", "password_hash": HASH, "auth_epoch": 0}
        connection.execute(insert(USERS), row)
    store = sql_store(url)
    assert store.users.account(grace.id) == Account(grace, HASH)
    store.close()


def test_a_second_migration_that_crashed_in_the_middle_is_completed(
    url: str, first: tuple[User, Session], beside: Callable[[], Connection]
) -> None:
    migrate.upgrade(url)
    with beside() as connection, connection.begin():
        on_table = " ON users" if connection.dialect.name == "mysql" else ""
        connection.execute(text(f"DROP INDEX users_by_due{on_table}"))
        connection.execute(text("ALTER TABLE users DROP COLUMN revision"))
        connection.execute(text("DROP TABLE events"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    store = sql_store(url)
    store.prepare()
    assert store.problems() == []
    user, session = first
    assert store.users.account(user.id) == Account(user, HASH)
    assert store.sessions.of_user(user.id, NOW) == [session]
    store.close()


FORMER = ("codes", "pending_email", "undo_offers", "notices")
"""The columns of the third revision whose contents lie in one since the fourth."""


@pytest.fixture
def third(url: str, beside: Callable[[], Connection]) -> list[Account]:
    """Accounts in a database of the third revision: one whole, one with a part, many with nothing, or with one code."""
    upgrade_to(url, "0003")
    waiting = (
        Notice(new_id(), "email_changed", "ada.1@example.net", NOW, {"name": "Gräfin 🧮\n", "": ""}, new_id(), 2),
        Notice(new_id(), "new_login", "ada@example.org", NOW),
    )
    outbox = tuple(notice.entry() for notice in waiting)
    came_later: dict[str, Any] = {
        "kept_session": None,
        "attack_told_at": None,
        "demotions": None,
        "breach_told_in": None,
        "totp": (),
        "recovery_codes": (),
        "passkeys": (),
        "user_handle": None,
        "factor_recovery": None,
        "identities": (),
        "imported": None,
    }
    whole = replace(a_whole_account(), **came_later, listed_keys=(), outbox=outbox, impersonations=())
    accounts = [
        whole,
        Account(a_user(username="part"), HASH, undo_offers=whole.undo_offers),
        *(Account(a_user(), HASH) for _ in range(3)),
        *(Account(a_user(), HASH, codes=(LiveCode(new_id(), "reset", NOW),)) for _ in range(1001)),
    ]
    with beside() as connection, connection.begin():
        connection.execute(insert(_THIRD), [_row_of_the_third(account) for account in accounts])
    return accounts


_THIRD = Table(
    "users",
    MetaData(),
    *(
        Column(column.name, column.type)
        for column in USERS.columns
        if column.name not in {"under_way", *BROUGHT_BY_THE_FIFTH}
    ),
    *(Column(name, LONG_TEXT) for name in FORMER),
)


def _row_of_the_third(account: Account) -> dict[str, object]:
    user, pending = account.user, account.pending_email
    document = from_json(UNDER_WAY.text(account))
    if account.notices:
        # As it was written then.
        document["notices"] = [from_json(to_json(asdict(notice))) for notice in account.notices]
    return {
        **_facts_of(user), "roles": ",".join(user.roles), "password_hash": account.password_hash,
        "email_key": user.email and user.email.lower(), "username_key": user.username and user.username.lower(),
        "auth_epoch": account.auth_epoch, "due_at": account.due_at, "revision": account.revision,
        "pending_email_key": pending and "ada@xn--bcher-kva.example",
        **{name: json.dumps(document[name]) if name in document else None for name in FORMER},
    }  # fmt: skip


def kept(url: str, accounts: list[Account]) -> list[Account | None]:
    store = sql_store(url)
    store.prepare()
    assert store.problems() == []
    found = {account.user.id: account for account in store.users.page_of_accounts(after=None, limit=len(accounts) + 1)}
    store.close()
    assert len(found) == len(accounts)
    return [found.get(account.user.id) for account in accounts]


def test_what_is_under_way_in_the_accounts_of_the_third_revision_goes_on(
    url: str, third: list[Account], beside: Callable[[], Connection]
) -> None:
    assert kept(url, third) == third
    store = sql_store(url)
    assert store.users.save(replace(third[0], codes=()))
    assert store.users.accounts_changing_to("ada@xn--bcher-kva.example", 2) == [replace(third[0], codes=(), revision=6)]
    store.close()
    with beside() as connection:
        empty = select(USERS.c.id).where(USERS.c.under_way.is_(None))
        assert set(connection.scalars(empty)) == {account.user.id for account in third[2:5]}
        assert {column["name"] for column in inspect(connection).get_columns("users")} == set(USERS.columns.keys())


@pytest.mark.parametrize("crash", ["while rows are moved", "while columns are dropped"])
def test_a_fourth_migration_that_crashed_in_the_middle_is_completed(
    url: str, third: list[Account], beside: Callable[[], Connection], crash: str
) -> None:
    """As on MySQL, which keeps each statement at once."""
    moved = third if crash == "while columns are dropped" else third[:7]
    with beside() as connection, connection.begin():
        connection.execute(text(f"ALTER TABLE users ADD COLUMN under_way {LONG_TEXT.compile(connection.dialect)}"))
        this_one = update(USERS).where(USERS.c.id == bindparam("this"))
        moving = [{"this": account.user.id, "under_way": UNDER_WAY.text(account)} for account in moved]
        connection.execute(this_one, moving)
        if moved is third:
            connection.execute(text("ALTER TABLE users DROP COLUMN codes"))
    assert kept(url, third) == third


class _Process:
    start: Barrier


@pytest.mark.parametrize("crash", [False, True], ids=["at once", "after a crash in the middle"])
def test_who_has_which_role_is_listed_when_the_fifth_revision_comes(
    url: str, beside: Callable[[], Connection], *, crash: bool
) -> None:
    upgrade_to(url, "0004")
    users = [a_user(roles=("admin", "member") if number % 2 else ()) for number in range(7)]
    with beside() as connection, connection.begin():
        rows = [{**_facts_of(user), "roles": ",".join(user.roles), "auth_epoch": 0} for user in users]
        connection.execute(insert(USERS), rows)
    if crash:
        migrate.upgrade(url)
        with beside() as connection, connection.begin():
            connection.execute(delete(USER_ROLES).where(USER_ROLES.c.role == "admin"))
            connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))
    migrate.upgrade(url)
    with beside() as connection:
        listed = connection.execute(select(USER_ROLES.c.user_id, USER_ROLES.c.role)).all()
    assert sorted(map(tuple, listed)) == sorted((user.id, role) for user in users for role in user.roles)


def _begin(start: Barrier) -> None:
    _Process.start = start


def _prepare(url: str) -> None:
    _Process.start.wait()
    store = sql_store(url)
    store.prepare()
    store.close()


def test_four_processes_may_migrate_an_empty_database_at_once(url: str) -> None:
    context = new_processes()
    with ProcessPoolExecutor(PROCESSES, context, _begin, (context.Barrier(PROCESSES),)) as pool:
        list(pool.map(_prepare, [url] * PROCESSES))
    assert problems(url) == []


@pytest.mark.usefixtures("store")
def test_a_migration_that_crashed_in_the_middle_is_completed(url: str, beside: Callable[[], Connection]) -> None:
    with beside() as connection, connection.begin():
        on_table = " ON login_failures" if connection.dialect.name == "mysql" else ""
        connection.execute(text(f"DROP INDEX login_failures_by_expiry{on_table}"))
        connection.execute(text("DROP TABLE leases"))
        connection.execute(text("DELETE FROM alembic_version"))
    migrate.upgrade(url)
    assert problems(url) == []


def test_a_schema_from_a_newer_version_stops_the_start(
    url: str, store: Store, beside: Callable[[], Connection]
) -> None:
    with beside() as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="revision 9999, which this version of Latchkey does not know"):
        store.prepare()
    assert migrate.current(url) == "9999"


def test_a_table_of_another_application_is_not_touched(url: str, beside: Callable[[], Connection]) -> None:
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir()
    with beside() as connection, connection.begin():
        connection.execute(text("CREATE TABLE users (number INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO users VALUES (7)"))
    with pytest.raises(Exception, match="email_key"):
        migrate.upgrade(url)
    with beside() as connection:
        assert connection.execute(text("SELECT number FROM users")).scalars().all() == [7]


@pytest.mark.usefixtures("store")
def test_a_start_on_a_current_schema_does_not_load_alembic(url: str) -> None:
    start = (
        "import sys; from tests.stores import sql_store; store = sql_store(sys.argv[1]); store.prepare();"
        " store.close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", start, url], capture_output=True, text=True, check=True, cwd=MIGRATIONS.parent
    )
    assert done.stdout == "False\n"
