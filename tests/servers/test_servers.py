"""The servers of the tests themselves: they start, stop, come back, hang, and leave nothing behind."""

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from pymongo import MongoClient
from sqlalchemy import Connection, NullPool, create_engine, inspect, text

from tests.servers import mariadb, mongo, nginx, postgres, prometheus
from tests.servers import redis as redis_servers
from tests.servers.fixtures import require
from tests.servers.process import Server, ServerFailedError, alive, free_port, own_folder, wait_until
from tests.servers.sql import SqlServer

ROOT = Path(__file__).parents[2]

# What Debian's nginx keeps in folders of root's, unless it is told otherwise.
PRIVATE = "access_log off; client_body_temp_path body; " + " ".join(
    f"{kind}_temp_path {kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi")
)


@dataclass(frozen=True)
class Kind:
    """A kind of server, with what a real client writes to it and reads back."""

    name: str
    missing: Callable[[], str | None]
    opened: Callable[[], AbstractContextManager[Any]]
    write: Callable[[Any, str], None]
    read: Callable[[Any], str]


@contextmanager
def mongo_client(uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](uri) as client:
        yield client


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    with create_engine(url, poolclass=NullPool).begin() as connection:
        yield connection


def write_mongo(server: mongo.MongoServer, value: str) -> None:
    with mongo_client(server.uri) as client:
        client.kept.words.insert_one({"value": value})


def read_mongo(server: mongo.MongoServer) -> str:
    with mongo_client(server.uri) as client:
        found = client.kept.words.find_one()
    assert found is not None
    return str(found["value"])


def write_sql(server: SqlServer, value: str) -> None:
    with connected(server.url) as connection:
        connection.execute(text("CREATE TABLE words (value VARCHAR(40))"))
        connection.execute(text("INSERT INTO words VALUES (:value)"), {"value": value})


def read_sql(server: SqlServer) -> str:
    with connected(server.url) as connection:
        return str(connection.execute(text("SELECT value FROM words")).scalar_one())


def write_redis(server: redis_servers.RedisServer, value: str) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.set("word", value)


def read_redis(server: redis_servers.RedisServer) -> str:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        return str(client.get("word"))


KINDS = [
    Kind("mongo", mongo.missing, partial(mongo.mongo_server, "h2"), write_mongo, read_mongo),
    Kind("postgres", postgres.missing, postgres.postgres_server, write_sql, read_sql),
    Kind("mariadb", mariadb.missing, mariadb.mariadb_server, write_sql, read_sql),
    Kind("redis", redis_servers.missing, redis_servers.redis_server, write_redis, read_redis),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    require(chosen.missing())
    return chosen


@pytest.fixture
def word() -> str:
    return secrets.token_hex(8)


def test_a_server_comes_back_on_its_port_with_its_data(kind: Kind, word: str) -> None:
    with kind.opened() as server:
        kind.write(server, word)
        assert kind.read(server) == word
        before = server.port, server.pid
        server.stop()
        assert not server.answers()
        server.start()
        assert server.port == before[0]
        assert server.pid != before[1]
        assert kind.read(server) == word


def test_a_write_that_was_answered_outlives_a_killed_server(kind: Kind, word: str) -> None:
    with kind.opened() as server:
        kind.write(server, word)
        server.kill()
        assert not server.answers()
        server.start()
        assert kind.read(server) == word


def test_a_frozen_server_hangs_and_goes_on_when_thawed(kind: Kind, word: str) -> None:
    with kind.opened() as server, ThreadPoolExecutor(1) as pool:
        kind.write(server, word)
        server.freeze()
        answer = pool.submit(kind.read, server)
        try:
            with pytest.raises(TimeoutError):
                answer.result(timeout=1)
        finally:
            server.thaw()
        assert answer.result() == word


def test_a_frozen_postgres_hangs_the_connections_that_are_open_too() -> None:
    require(postgres.missing())
    with (
        postgres.postgres_server() as server,
        connected(server.url) as connection,
        ThreadPoolExecutor(1) as pool,
    ):
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
        server.freeze()
        answer = pool.submit(connection.execute, text("SELECT 2"))
        try:
            with pytest.raises(TimeoutError):
                answer.result(timeout=1)
        finally:
            server.thaw()
        assert answer.result().scalar_one() == 2


def test_a_server_leaves_no_process_and_no_folder_behind(kind: Kind) -> None:
    with kind.opened() as server:
        pids, folder = server.pids(), server.folder
        assert server.pid in pids  # of its children, one may have ended by itself meanwhile
        assert alive(server.pid)
        with suppress(ZeroDivisionError), kind.opened() as second:
            pids += second.pids()
            raise ZeroDivisionError
    assert not any(map(alive, pids))
    assert not folder.exists()


def test_a_frozen_server_is_stopped_in_order() -> None:
    require(redis_servers.missing())
    with redis_servers.redis_server() as server:
        server.freeze()
        server.stop()
        assert "bye bye" in server.log()


@pytest.mark.parametrize("opened", [postgres.postgres_server, mariadb.mariadb_server])
def test_a_new_sql_database_is_empty_and_its_own(opened: Callable[[], Any]) -> None:
    require(sys.modules[opened.__module__].missing())
    with opened() as server:
        first, second = server.create_database(), server.create_database()
        with connected(first) as connection:
            connection.execute(text("CREATE TABLE words (value VARCHAR(40))"))
        with connected(second) as connection:
            assert inspect(connection).get_table_names() == []


def test_a_mariadb_url_carries_four_byte_characters() -> None:
    require(mariadb.missing())
    with mariadb.mariadb_server() as server, connected(server.create_database()) as connection:
        assert connection.execute(text("SELECT CHAR_LENGTH(:key)"), {"key": "\U0001f511"}).scalar_one() == 1


def test_nginx_serves_a_configuration_given_as_text() -> None:
    require(nginx.missing())
    port = free_port()
    config = f'events {{}} http {{ {PRIVATE} server {{ listen 127.0.0.1:{port}; return 200 "hello"; }} }}'
    with nginx.nginx(config, port=port) as server:
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "hello"
        pids = server.pids()
    assert len(pids) > 1
    assert not any(map(alive, pids))


def test_nginx_serves_a_configuration_file_from_its_prefix() -> None:
    require(nginx.missing())
    port = free_port()
    with own_folder() as prefix:
        prefix.chmod(0o755)
        (prefix / "page.txt").write_text("a page")
        config = prefix / "site.conf"
        config.write_text(
            f"pid own.pid; events {{}} http {{ {PRIVATE} server {{ listen 127.0.0.1:{port}; root .; }} }}"
        )
        with nginx.nginx(config, port=port, prefix=prefix):
            assert httpx.get(f"http://127.0.0.1:{port}/page.txt").text == "a page"


def test_a_wrong_configuration_is_reported_with_what_nginx_says_about_it() -> None:
    require(nginx.missing())
    with (
        pytest.raises(ServerFailedError, match='unknown directive "event"'),
        nginx.nginx("event {}", port=free_port()),
    ):
        pass


def test_a_server_that_ignores_the_request_to_end_is_killed_with_its_children() -> None:
    port = free_port()
    deaf = (
        "import http.server, signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], start_new_session=True); "
        f"http.server.HTTPServer(('127.0.0.1', {port}), None).serve_forever()"
    )
    with own_folder() as folder:
        with Server([sys.executable, "-c", deaf], folder=folder, port=port, stop_seconds=0.1) as server:
            pids = server.pids()
        assert len(pids) == 2
        assert not any(map(alive, pids))


def test_a_killed_run_of_the_tests_leaves_no_server_behind() -> None:
    require(redis_servers.missing())
    run = (
        "from tests.servers.redis import redis_server\n"
        "with redis_server() as server:\n    print(server.pid, server.folder, flush=True)\n    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", run], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid, folder = process.stdout.readline().split()
        assert alive(int(pid))
        process.kill()
    wait_until(lambda: not alive(int(pid)) and not Path(folder).exists(), 30)


def test_runs_beside_each_other_get_different_ports() -> None:
    run = (
        "from tests.servers.process import free_port\nprint(*(free_port() for _ in range(2000)), flush=True)\ninput()\n"
    )
    with ExitStack() as ending:
        beside = [
            ending.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", run], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(3)
        ]
        given = [process.stdout.readline().split() for process in beside if process.stdout is not None]
        for process in beside:
            process.communicate("\n")
    ports = [port for some in given for port in some]
    assert len(ports) == 6000
    assert len(set(ports)) == 6000


def test_what_is_missing_skips_a_test_and_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    require(None)
    with pytest.raises(pytest.skip.Exception, match="apt-get install redis-server"):
        require("Redis is missing: apt-get install redis-server")
    monkeypatch.setenv("CI", "true")
    require(None)
    # A skip here would skip this test too: both are caught, and told apart.
    with pytest.raises((pytest.fail.Exception, pytest.skip.Exception), match="redis-server") as raised:
        require("Redis is missing: apt-get install redis-server")
    assert raised.type is pytest.fail.Exception


@pytest.mark.parametrize("module", [mongo, postgres, mariadb, redis_servers, nginx, prometheus])
def test_a_server_that_is_not_installed_says_what_to_install(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_keywords: None)
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    assert "apt-get install" in module.missing()
