"""What is answered while the store does not answer, and that the service comes back by itself."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app import config, create_app
from tests.api.databases import MongoDatabase, SqliteDatabase
from tests.api.providers import APP, Browser, Files, code_of, told
from tests.api.service import PASSWORD, SETTINGS, Account, FakeClock, Reply, Service, new_names, running
from tests.api.test_metrics import numbers
from tests.api.test_metrics import read as read_metrics
from tests.servers import mongo
from tests.servers.fixtures import require
from tests.servers.mongo import MongoServer
from tests.servers.openid import serving_provider
from tests.servers.process import free_port, wait_until

BACK_WITHIN = 10 + 15
"""Seconds after which the service has to serve again, once its store does: 10 are promised, the rest is for a busy
machine."""


@pytest.fixture(scope="module", params=["mongodb"])
def server() -> Iterator[MongoServer]:
    """A server of this module's own, whose data outlive a stop."""
    require(mongo.missing())
    with mongo.mongo_server("h2") as server:
        yield server


@pytest.fixture
def on_mongo(server: MongoServer) -> Iterator[Service]:
    server.start()
    with running(MongoDatabase(server.create_database()), FakeClock()) as service:
        yield service
    server.start()


def requests(service: Service, account: Account) -> list[Callable[[], Reply]]:
    """One of each kind that needs the store."""
    body = {"email": new_names()[0], "password": PASSWORD}
    return [
        lambda: service.post("/auth/register", body),
        lambda: service.login(account.email),
        lambda: service.login("nobody"),
        lambda: service.get("/auth/me", token=account.token),
        lambda: service.get("/auth/users", token=account.token),
    ]


def all_unavailable(service: Service, account: Account) -> bool:
    acts = requests(service, account)
    with ThreadPoolExecutor(len(acts)) as pool:
        replies = list(pool.map(lambda act: act(), acts))
    for reply in replies:
        assert (reply.status_code, reply.json["code"]) == (503, "unavailable")
        assert int(reply.headers["Retry-After"]) >= 1
        assert "127.0.0.1" not in reply.text
    return True


def check_probes(service: Service, product: str) -> None:
    for path in ("/health", "/auth/health", "/health/live", "/api/ping", "/openapi.json", "/errors/unavailable"):
        assert service.get(path).status_code == 200
    ready = service.get("/health/ready")
    assert (ready.status_code, ready.json["code"]) == (503, "unavailable")
    assert product in ready.json["message"]
    assert [error["field"] for error in ready.json["errors"]] == ["store"]


def test_a_stopped_store_is_reported_and_found_again(server: MongoServer, on_mongo: Service) -> None:
    account = on_mongo.register()
    assert on_mongo.get("/health/ready").status_code == 200
    server.stop()
    assert all_unavailable(on_mongo, account)
    check_probes(on_mongo, "MongoDB")
    # The keys are in memory, so a token that does not verify is still distinguished from one that does.
    assert on_mongo.get("/auth/me", token="x").json["code"] == "invalid_token"
    assert on_mongo.get("/.well-known/jwks.json").status_code == 200
    server.start()
    wait_until(lambda: on_mongo.get("/health/ready").status_code == 200, BACK_WITHIN)
    assert on_mongo.get("/auth/me", token=account.token).status_code == 200
    assert on_mongo.login(account.email).status_code == 200


def test_a_hanging_store_is_reported_and_found_again(server: MongoServer, on_mongo: Service) -> None:
    account = on_mongo.register()
    server.freeze()
    try:
        assert all_unavailable(on_mongo, account)
        check_probes(on_mongo, "MongoDB")
    finally:
        server.thaw()
    wait_until(lambda: on_mongo.get("/health/ready").status_code == 200, BACK_WITHIN)
    wait_until(lambda: on_mongo.login(account.email).status_code == 200, BACK_WITHIN)


def test_a_login_while_the_store_is_down_is_not_counted_as_a_wrong_password(
    server: MongoServer, on_mongo: Service
) -> None:
    account = on_mongo.register()
    server.stop()
    assert on_mongo.login(account.email, "a wrong battery staple").json["code"] == "unavailable"
    server.start()
    wait_until(lambda: on_mongo.get("/health/ready").status_code == 200, BACK_WITHIN)
    for _ in range(10):
        assert on_mongo.login(account.email, "a wrong battery staple").status_code == 401


def test_a_login_with_a_provider_goes_on_where_it_was_once_the_store_is_back(
    server: MongoServer, tmp_path: Path
) -> None:
    server.start()
    with serving_provider() as upstream:
        file = Files(tmp_path, upstream).of({**Files(tmp_path, upstream).provider("trusted"), "trust_email": True})
        settings = {"EGRESS_ALLOW": "127.0.0.1", "CORS_ORIGINS": APP, "PROVIDERS_FILE": file}
        with running(MongoDatabase(server.create_database()), FakeClock(), **settings) as service:
            upstream.now = lambda: service.clock().timestamp()
            browser = Browser(service, upstream)
            answer = upstream.log_in(browser.start(), sub="1", email="ann@example.com", email_verified=True)
            server.stop()
            assert browser.back("trusted", answer).status_code == 503
            assert browser.service.post("/auth/providers/trusted/start", {}).status_code == 503
            server.start()
            wait_until(lambda: service.get("/health/ready").status_code == 200, BACK_WITHIN)
            code = told(browser.back("trusted", answer))["code"]
            server.stop()
            assert code_of(browser.finish(code)) == (503, "unavailable")
            server.start()
            wait_until(lambda: service.get("/health/ready").status_code == 200, BACK_WITHIN)
            assert browser.finish(code).json["data"]["user"]["email"] == "ann@example.com"


def test_a_sqlite_file_that_another_process_writes_to_is_read_and_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "latchkey.db"
    with running(SqliteDatabase(file), FakeClock()) as service:
        account = service.register()
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = service.login(account.email)
            assert (refused.status_code, refused.json["code"]) == (503, "unavailable")
            assert int(refused.headers["Retry-After"]) >= 1
            assert service.get("/auth/me", token=account.token).status_code == 200
            assert service.get("/health/ready").status_code == 200
            other.execute("ROLLBACK")
        assert service.login(account.email).status_code == 200


def test_a_store_that_is_down_is_counted_and_fails_no_scrape() -> None:
    clock = FakeClock()
    settings = {"MONGO_URI": f"mongodb://127.0.0.1:{free_port()}/latchkey", "METRICS_ALLOW": "127.0.0.1"}
    app = create_app(config.load(SETTINGS | settings, dotenv=None), clock=clock)
    service = Service(app, clock, None)  # type: ignore[arg-type] # nothing looks into it
    try:
        assert service.login("ann").status_code == 503
        text = read_metrics(service).text  # once: each scrape waits for the store
        found = numbers(text)
        assert found["latchkey_logins_total", frozenset({("outcome", "unavailable")})] == 1
        assert found["latchkey_store_failures_total", frozenset({("operation", "users.credentials_by_username")})] == 1
        assert "latchkey_mail_queue" not in text
    finally:
        service.wired.close()
