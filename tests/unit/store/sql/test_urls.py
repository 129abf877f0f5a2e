"""Options of a database URL, and servers that are not ready: they work, or one line ends the start."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from psycopg import conninfo as info
from sqlalchemy import URL, NullPool, create_engine, make_url, text

from app.accounts.account import Account
from app.config import values
from app.store.sql.postgresql import conninfo_of
from app.store.unusable import UnusableStoreError
from tests.contract.entities import HASH, a_user
from tests.servers.sql import SqlServer
from tests.stores import database_of, sql_store

NAME = "Zoë \N{SMILING FACE WITH SUNGLASSES}"


def told_at_start(url: URL) -> str:
    """The line that a start ends with."""
    shown = url.render_as_string(hide_password=False)
    with closing(sql_store(shown)) as store, pytest.raises(UnusableStoreError) as refused:
        store.prepare()
    line = str(refused.value)
    assert "\n" not in line
    assert (url.password or "no password") not in line
    return line


def run(url: URL, *statements: str) -> None:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda url: url.set(username="nobody"), "write the right user and password into DATABASE_URL"),
        (lambda url: url.set(password="wrong"), "write the right user and password into DATABASE_URL"),
        (lambda url: url.set(database="nowhere"), "make it (CREATE DATABASE), or name another one in DATABASE_URL"),
        (lambda url: url.update_query_dict({"sslmode": "require"}), "take sslmode out of DATABASE_URL"),
        (lambda url: url.update_query_dict({"options": "-csearch_path=nowhere"}), "make it (CREATE SCHEMA)"),
    ],
)
def test_what_is_not_ready_on_postgresql_is_reported_with_its_remedy(
    postgres_server: SqlServer, change: Callable[[URL], URL], line: str
) -> None:
    assert line in told_at_start(change(make_url(postgres_server.create_database())))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda url: url.set(username="nobody"), "write the right user and password into DATABASE_URL"),
        (lambda url: url.set(database="nowhere"), "make it (CREATE DATABASE), or name another one in DATABASE_URL"),
        (lambda url: url.update_query_dict({"ssl-mode": "REQUIRED"}), "take ssl-mode out of DATABASE_URL"),
    ],
)
def test_what_is_not_ready_on_mariadb_is_reported_with_its_remedy(
    mariadb_server: SqlServer, change: Callable[[URL], URL], line: str
) -> None:
    url = make_url(mariadb_server.create_database())
    assert line in told_at_start(change(url))


def test_a_schema_without_the_right_to_create_is_reported_with_the_missing_grant(
    postgres_server: SqlServer,
) -> None:
    url = make_url(postgres_server.create_database())
    run(url, "DROP ROLE IF EXISTS plain", f"CREATE ROLE plain LOGIN PASSWORD '{url.password}'")
    try:
        # As from PostgreSQL 15 on.
        assert "run GRANT USAGE, CREATE ON SCHEMA public TO" in told_at_start(url.set(username="plain"))
    finally:
        run(url, "DROP ROLE plain")


def assert_our_settings_hold(url: str) -> None:
    """Our own settings hold in a session of every kind, and a name of any characters comes back as it was."""
    with closing(sql_store(url)) as store:
        store.prepare()
        user = a_user(username="ada", name=NAME)
        store.users.add(Account(user, HASH))
        assert store.users.account(user.id) == Account(user, HASH)
        database = database_of(store)
        if store.common_name == "PostgreSQL":
            query = text("SELECT current_setting('timezone'), current_setting('statement_timeout')")
            expected: tuple[object, ...] = ("UTC", "1800ms")
        else:
            query = text("SELECT @@time_zone, @@innodb_lock_wait_timeout")
            expected = ("+00:00", 1)
        assert tuple(database.rows(query)[0]) == expected
        assert tuple(database.write(lambda connection: connection.execute(query).all()[0])) == expected
        assert store.problems() == []


@pytest.mark.parametrize(
    "query",
    [
        "options=-ctimezone%3DAsia/Tokyo%20-cstatement_timeout%3D0%20-csearch_path%3Dpublic",
        "prepare_threshold=none",
        "prepare_threshold=0",
        "application_name=mine&keepalives_idle=60&connect_timeout=1",
        "target_session_attrs=read-write&sslmode=prefer&channel_binding=prefer",
    ],
)
def test_our_settings_hold_beside_the_options_of_a_postgresql_url(postgres_server: SqlServer, query: str) -> None:
    assert_our_settings_hold(f"{postgres_server.create_database()}?{query}")


def test_our_settings_hold_whatever_the_role_and_the_database_have(postgres_server: SqlServer) -> None:
    url = make_url(postgres_server.create_database())
    run(url, f"ALTER DATABASE {url.database} SET timezone = 'Asia/Tokyo'")
    run(url, f"ALTER DATABASE {url.database} SET statement_timeout = 0")
    assert_our_settings_hold(url.render_as_string(hide_password=False))


@pytest.mark.parametrize(
    "query",
    ["", "charset=utf8mb4", "init_command=SET%20time_zone%3D'%2B09:00'", "ssl-mode=PREFERRED", "ssl_disabled=true"],
)
def test_our_settings_hold_beside_the_options_of_a_mariadb_url(mariadb_server: SqlServer, query: str) -> None:
    url = make_url(mariadb_server.create_database()).set(query={}).render_as_string(hide_password=False)
    assert_our_settings_hold(f"{url}?{query}")


@pytest.mark.parametrize("form", ["{away},{host}", "{host},{away}", "localhost:{port}"])
def test_of_several_hosts_the_one_that_takes_writes_is_used(postgres_server: SqlServer, form: str) -> None:
    url = make_url(postgres_server.create_database())
    places = form.format(away="127.0.0.1:1", host=f"127.0.0.1:{url.port}", port=url.port)
    given = f"postgresql://{url.username}:{url.password}@{places}/{url.database}?target_session_attrs=read-write"
    assert_our_settings_hold(values.database_url(given))


def test_postgresqls_own_programs_get_the_same_address_without_the_password() -> None:
    given = "postgresql://ada:planted@h1:1,h2/d?sslmode=require&prepare_threshold=none&password=planted"
    told = info.conninfo_to_dict(conninfo_of(make_url(values.database_url(given))))
    found = {name: told.get(name) for name in ("host", "port", "user", "dbname", "sslmode", "target_session_attrs")}
    assert list(found.values()) == ["h1,h2", "1,", "ada", "d", "require", "read-write"]
    assert "planted" not in str(told)


def test_a_full_disk_and_a_file_that_cannot_be_written_to_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sql_store(f"sqlite:///{tmp_path}/x.db")) as store:
        store.prepare()
        backend = database_of(store).backend
        assert backend.unwritable([]) is None
        free = os.statvfs(tmp_path)
        full = os.statvfs_result((*free[:4], 0, *free[5:]))
        monkeypatch.setattr(os, "statvfs", lambda _: full)
        assert backend.unwritable([]) == "the disk is full"
        monkeypatch.undo()
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert backend.unwritable([]) == "the file cannot be written to"
        monkeypatch.undo()
        (tmp_path / "x.db").unlink()
        assert "the file is not there" in (backend.unwritable([]) or "")
