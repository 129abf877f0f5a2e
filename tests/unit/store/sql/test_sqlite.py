"""SQLite: the file's place and modes, and what happens when it is busy or gone."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import select, text, update

from app.accounts.account import Account
from app.accounts.sql import USERS
from app.platform.errors import Unavailable
from app.store.sql.connection import Connection
from tests.contract.entities import HASH, NOW, a_session, a_user
from tests.stores import Store, database_of, sql_store


@contextmanager
def prepared(path: Path) -> Iterator[Store]:
    store = sql_store(f"sqlite:///{quote(str(path))}")
    store.prepare()
    yield store
    store.close()


def modes(folder: Path) -> dict[str, str]:
    return {path.name: f"{path.stat().st_mode & 0o777:o}" for path in (folder, *folder.iterdir())}


def test_making_a_store_opens_nothing(tmp_path: Path) -> None:
    store = sql_store(f"sqlite:///{tmp_path}/new/latchkey.db")
    assert not (tmp_path / "new").exists()
    store.close()


def test_only_the_owner_may_use_the_file_and_its_folder(tmp_path: Path) -> None:
    with prepared(tmp_path / "new" / "latchkey.db") as store:
        store.users.add(Account(a_user(username="ada"), HASH))
        store.ping()
        assert modes(tmp_path / "new") == {
            "new": "700",
            "latchkey.db": "600",
            "latchkey.db-wal": "600",
            "latchkey.db-shm": "600",
        }


def test_the_file_is_made_by_one_process_at_a_time(tmp_path: Path) -> None:
    store = sql_store(f"sqlite:///{tmp_path}/latchkey.db")
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        preparing = pool.submit(store.prepare)
        with pytest.raises(TimeoutError):
            preparing.result(timeout=0.05)
        assert list(tmp_path.iterdir()) == []
        os.close(other)
        preparing.result()
    store.close()


def test_the_modes_of_existing_files_and_folders_stay(tmp_path: Path) -> None:
    with prepared(tmp_path / "latchkey.db"):
        pass
    tmp_path.chmod(0o755)
    (tmp_path / "latchkey.db").chmod(0o640)
    with prepared(tmp_path / "latchkey.db"):
        assert modes(tmp_path)[tmp_path.name] == "755"
        assert modes(tmp_path)["latchkey.db"] == "640"


@pytest.mark.parametrize("name", ["a space.db", "100%.db", "käse.db", "a&b=c.db", "#1.db"])
def test_any_file_name_can_be_used(tmp_path: Path, name: str) -> None:
    with prepared(tmp_path / name) as store:
        store.ping()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_relative_path_is_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = sql_store("sqlite:///store/latchkey.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.prepare()
    store.close()
    assert (tmp_path / "store" / "latchkey.db").exists()


def test_committed_writes_outlive_a_crash_of_the_machine(tmp_path: Path) -> None:
    def settings_of(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.execute(text(f"PRAGMA {name}")).scalar() for name in names]

    with prepared(tmp_path / "latchkey.db") as store:
        settings = database_of(store).write(settings_of)
    assert settings == ["wal", 2, 1]


def test_a_connection_for_reading_cannot_write(tmp_path: Path) -> None:
    with (
        prepared(tmp_path / "latchkey.db") as store,
        database_of(store).backend.reader.connect() as connection,
        pytest.raises(Exception, match="readonly"),
    ):
        connection.exec_driver_sql("DELETE FROM users")


def test_a_kept_connection_for_reading_takes_little_memory(tmp_path: Path) -> None:
    with prepared(tmp_path / "latchkey.db") as store:
        assert -512 <= database_of(store).rows(text("PRAGMA cache_size"))[0][0] < 0  # KiB


def test_a_file_that_is_gone_is_not_created_again_by_a_request(tmp_path: Path) -> None:
    path = tmp_path / "latchkey.db"
    with prepared(path) as store:
        store.close()
        path.unlink()
        with pytest.raises(Unavailable):
            store.ping()
        with pytest.raises(Unavailable):
            store.users.add(Account(a_user(username="ada"), HASH))
        assert not path.exists()
        store.prepare()
        store.users.add(Account(a_user(username="ada"), HASH))


def test_another_process_that_writes_for_long_holds_up_writes_but_no_reads(tmp_path: Path) -> None:
    path = tmp_path / "latchkey.db"
    user = a_user(username="ada")
    with prepared(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        store.users.add(Account(user, HASH))
        session = a_session(user)
        store.sessions.open(session)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as refused:
            store.users.replace_hash(user.id, HASH, "new")
        assert refused.value.retry_after == 1
        assert store.sessions.principal(session.id, user.id, NOW) is not None
        other.execute("ROLLBACK")
        assert store.users.replace_hash(user.id, HASH, "new")


def test_what_a_transaction_has_read_stays_true_until_it_writes(tmp_path: Path) -> None:
    user = a_user(username="ada")
    hashes = select(USERS.c.password_hash)
    with prepared(tmp_path / "latchkey.db") as store, prepared(tmp_path / "latchkey.db") as other:
        store.users.add(Account(user, HASH))
        with ThreadPoolExecutor(1) as pool:

            def read_and_write(connection: Connection) -> Future[bool]:
                assert connection.execute(hashes).scalar() == HASH
                waiting = pool.submit(other.users.replace_hash, user.id, HASH, "theirs")
                with pytest.raises(TimeoutError):
                    waiting.result(timeout=0.05)
                connection.execute(update(USERS).values(password_hash="ours"))
                return waiting

            waiting = database_of(store).write(read_and_write)
            assert waiting.result() is False
