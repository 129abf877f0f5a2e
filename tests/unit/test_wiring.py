"""Wiring the parts opens nothing, and a start that fails says in one line what to do."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from threading import enumerate as threads_alive
from types import SimpleNamespace
from typing import TYPE_CHECKING, get_args

import pytest
from structlog.testing import capture_logs

from app import config, create_app, dependencies, wiring
from app.accounts.factors import FACTOR_RECOVERY
from app.accounts.holders import ERASE
from app.accounts.mail_requests.model import MailRequestKind
from app.accounts.model import Users
from app.accounts.notices import MAIL
from app.feature import Erasers, Feature, Job, MailKind
from app.features import FEATURES, REPOSITORIES
from app.health.service import HealthService
from app.keys.model import Keyrings
from app.oauth.consents.former_owner import KIND as FORMER_CONSENTS
from app.oauth.logout.backchannel import KIND as BACKCHANNEL_LOGOUT
from app.outbox.service import Box, Outbox
from app.platform.errors import Unavailable
from app.platform.failure import StartError
from app.platform.log import reason_of
from app.roles.editing import RoleEditor
from app.samples.products.service import SampleProductService
from app.samples.visits.model import Visits
from app.samples.visits.redis import RedisVisits
from app.samples.visits.service import VisitService
from app.security import secret_file
from app.security.hash_pool import HashPool
from app.store.store import Store as AnyStore
from app.webhooks.publisher import EVENT
from tests.api.service import SETTINGS
from tests.servers.process import free_port
from tests.stores import Store, sql_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from app.config import Settings
    from app.outbox.model import Claimed, Entry

OTHER_KEY = "wP4nT8xK2mV6rB9sJ3hL7gD1fQ5zC0aE-yU_oI"


def settings_of(database: Path, **more: str) -> Settings:
    return config.load(SETTINGS | {"DATABASE_URL": f"sqlite:///{database}"} | more, dotenv=None)


class HoldersOfNothing:
    """What holds entries of the outbox, and has none."""

    def due(self, now: datetime, limit: int) -> list[str]:
        del now, limit
        return []

    def claim(self, key: str, now: datetime, until: datetime) -> None:
        """Nothing is ever due."""

    def settle(self, claimed: Claimed[str], outcomes: Mapping[str, Entry | None], now: datetime) -> None:
        """Nothing is ever claimed."""


def start_error(settings: Settings) -> str:
    """The line with which a start ends."""
    with pytest.raises(StartError) as refused:
        wiring.prepare(settings, patience=0)
    line = str(refused.value)
    assert "\n" not in line
    assert "\t" not in line
    return line


def test_putting_the_parts_together_opens_nothing_and_starts_no_thread(tmp_path: Path) -> None:
    before = set(threads_alive())
    nowhere = tmp_path / "nowhere" / "latchkey.db"

    for settings in (
        settings_of(nowhere),
        config.load(SETTINGS | {"MONGO_URI": "mongodb://203.0.113.1/x"}, dotenv=None),
        config.load(SETTINGS | {"DATABASE_URL": "postgresql://latchkey@203.0.113.1/latchkey"}, dotenv=None),
        config.load(SETTINGS | {"DATABASE_URL": "mysql://latchkey@203.0.113.1/latchkey"}, dotenv=None),
        settings_of(nowhere, REDIS_URL="redis://203.0.113.1/0"),
        settings_of(nowhere, OTEL_EXPORTER_OTLP_ENDPOINT="http://203.0.113.1:4318"),
    ):
        wired = wiring.build(settings)
        begun = set(threads_alive()) - before
        wired.close()
        assert begun == set(), settings

    assert not nowhere.parent.exists()


@pytest.mark.parametrize(
    "feature",
    [
        Feature(services={SampleProductService: lambda _: None}),
        Feature(services={AnyStore: lambda _: None}),
        Feature(services={Users: lambda _: None}),
        Feature(services={Erasers: lambda _: None}),
        Feature(mails=(MailKind("verify_email", "app.accounts"),)),
        Feature(handlers={ERASE: lambda _: lambda _account, _entry: None}),
        Feature(jobs=(lambda _: Job("purge", timedelta(hours=1), lambda: 0),)),
    ],
)
def test_what_two_features_declare_stops_the_start(
    feature: Feature, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.wiring.FEATURES", (*FEATURES, feature))

    with pytest.raises(ValueError, match="declared twice: "):
        wiring.build(settings_of(database))


def test_the_outbox_has_what_each_feature_declares_beside_accounts_and_requests_for_mail(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared: Box[str, str] = Box(HoldersOfNothing(), {})
    monkeypatch.setattr("app.wiring.FEATURES", (*FEATURES, Feature(boxes=(lambda _: declared,))))
    wired = wiring.build(settings_of(database))
    accounts, requests, *others = wired.get(Outbox).boxes
    wired.close()
    assert (accounts.polled, requests.polled) == (False, True)
    assert set(accounts.handlers) == {BACKCHANNEL_LOGOUT, ERASE, MAIL, EVENT, FACTOR_RECOVERY, FORMER_CONSENTS}
    assert set(requests.handlers) == set(get_args(MailRequestKind))
    assert others[-1] is declared


@pytest.mark.parametrize(
    ("setting", "product"),
    [
        ({"MONGO_URI": "mongodb://localhost/x"}, "MongoDB"),
        ({"DATABASE_URL": "sqlite:////tmp/x.db"}, "SQLite"),
        ({"DATABASE_URL": "postgresql://localhost/x"}, "PostgreSQL"),
        ({"DATABASE_URL": "mysql://localhost/x"}, "MySQL"),
    ],
)
def test_the_store_is_the_one_that_the_settings_name(setting: dict[str, str], product: str) -> None:
    store = dependencies.make_store(config.load(SETTINGS | setting, dotenv=None), REPOSITORIES)

    assert store.common_name == product
    store.close()


def test_visits_are_counted_in_redis_where_the_settings_name_one(tmp_path: Path) -> None:
    in_store, in_redis = (
        wiring.build(settings_of(tmp_path / "x.db", REDIS_URL=url)) for url in ("", "redis://203.0.113.1")
    )

    assert in_store.get(VisitService).visits is in_store.get(Visits)
    assert isinstance(in_redis.get(VisitService).visits, RedisVisits)
    with pytest.raises(StartError, match=r"^REDIS_URL: "):
        dependencies.make_redis(settings_of(tmp_path / "x.db", REDIS_URL="redis://203.0.113.1?socket_timeout=x"))
    in_store.close()
    in_redis.close()


def test_a_start_makes_schema_and_keys_and_a_second_one_nothing_more(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "latchkey.db")

    wiring.prepare(settings, patience=0)
    wired = wiring.build(settings)
    before = wired.get(Keyrings).load()
    wiring.prepare(settings, patience=0)

    assert wired.store.problems() == []
    assert before is not None
    assert wired.get(Keyrings).load() == before
    wired.close()


def test_a_role_that_does_not_exist_stops_the_start_and_names_those_that_do(database: Path) -> None:
    settings = settings_of(database, DEFAULT_ROLES="member,wizard")

    assert start_error(settings) == (
        "DEFAULT_ROLES: there is no role wizard; the roles are admin, member (flask roles load adds the sample roles)"
    )


def test_a_role_of_new_users_may_be_one_that_was_loaded_before_the_first_start(database: Path) -> None:
    settings = settings_of(database, DEFAULT_ROLES="member,student")
    assert "there is no role student" in start_error(settings)
    wired = wiring.build(settings)
    wired.get(RoleEditor).install_samples()
    wired.close()
    wiring.prepare(settings, patience=0)


def test_a_secret_that_cannot_be_read_or_made_stops_the_start(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("short")
    monkeypatch.setattr(secret_file, "SECRET_FILE", tmp_path / "secret")

    assert "less than 32 characters" in start_error(settings_of(database, SECRET_KEY=""))


def test_without_a_secret_in_the_settings_one_is_made_and_kept(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_file, "SECRET_FILE", tmp_path / "instance" / "secret")

    first, second = (dependencies.make_secrets(settings_of(database, SECRET_KEY="")) for _ in range(2))

    assert first.current.name == second.current.name
    assert first.current.name != dependencies.make_secrets(settings_of(database)).current.name


def test_former_secrets_verify_what_they_signed(database: Path) -> None:
    former = dependencies.make_secrets(settings_of(database))
    secrets = dependencies.make_secrets(
        settings_of(database, SECRET_KEY=OTHER_KEY, SECRET_KEY_FALLBACKS=SETTINGS["SECRET_KEY"])
    )

    assert secrets.current.name != former.current.name
    assert secrets.named(former.current.name) is not None


def test_a_store_that_is_down_stops_the_start_with_its_reason_and_what_to_check() -> None:
    url = f"postgresql://latchkey:planted-password@127.0.0.1:{free_port()}/latchkey"

    line = start_error(config.load(SETTINGS | {"DATABASE_URL": url}, dotenv=None))

    assert line.startswith("PostgreSQL does not answer (")
    assert "refused" in line
    assert line.endswith("check MONGO_URI or DATABASE_URL, and that the server runs")
    assert "planted-password" not in line


def test_a_start_waits_for_a_store_that_comes_later(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            other.close()

        # Not `time.sleep` itself: threads that other tests have left would call it, too.
        monkeypatch.setattr("app.wiring.time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
        with capture_logs() as logged:
            wiring.prepare(settings_of(database), patience=600)

    assert waited == [1]
    assert [event["event"] for event in logged] == ["waiting for the store"]


def test_an_rp_id_that_browsers_refuse_is_warned_of_at_start(tmp_path: Path) -> None:
    with capture_logs() as logged:
        wiring.prepare(settings_of(tmp_path / "latchkey.db", PUBLIC_URL="http://192.0.2.7:5000"), patience=0)
    problems = [event["problem"] for event in logged if event["event"] == "passkeys"]
    assert problems == ["PASSKEY_RP_ID: browsers make no passkeys for an IP address: give PUBLIC_URL a host name"]


def test_a_folder_that_cannot_be_written_to_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    line = start_error(settings_of(tmp_path / "file" / "latchkey.db"))

    assert line.startswith("DATABASE_URL: SQLite cannot be made ready (")


def test_a_file_that_is_not_a_database_stops_the_start_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("this is no database\n" * 100)

    line = start_error(settings_of(file))

    assert line.startswith("SQLite: it refuses what it is asked (file is not a database): see DATABASE_URL")
    assert file.read_text() == "this is no database\n" * 100


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("postgresql://{}?nosuch=1", "DATABASE_URL: nosuch is no option that it takes: docs/deployment.md"),
        (
            "postgresql://{}?pgbouncer=true",
            "DATABASE_URL: pgbouncer is no option that it takes: write prepare_threshold",
        ),
        ("postgresql://{}?autocommit=true", "DATABASE_URL: autocommit is no option that it takes"),
        ("postgresql://{}?connect_timeout=soon", "DATABASE_URL: connect_timeout has to be from 1 to 2 seconds"),
        ("postgresql://{}?connect_timeout=30", "DATABASE_URL: connect_timeout has to be from 1 to 2 seconds"),
        ("postgresql://{}?prepare_threshold=x", "DATABASE_URL: prepare_threshold has to be none or a number"),
        ("postgresql://{}?target_session_attrs=any", "DATABASE_URL: target_session_attrs has to be read-write"),
        ("postgresql://{}?client_encoding=latin1", "DATABASE_URL: client_encoding has to be utf8"),
        (
            "postgresql://{}?sslmode=verify",
            "PostgreSQL: it refuses what it is asked (connection is bad: invalid sslmode",
        ),
        (
            "postgresql://{}?sslmode=verify-ca&sslrootcert=/no/such",
            "DATABASE_URL: sslrootcert has to name a file that this user can read",
        ),
        ("mysql://{}?nosuch=1", "DATABASE_URL: nosuch is no option that it takes: docs/deployment.md"),
        ("mysql://{}?charset=utf8", "DATABASE_URL: charset has to be utf8mb4"),
        ("mysql://{}?connect_timeout=soon", "DATABASE_URL: connect_timeout has to be from 1 to 2 seconds"),
        ("mysql://{}?ssl=true", "DATABASE_URL: ssl is no option that it takes: write ssl-mode=REQUIRED"),
        ("mysql://{}?tls=true", "DATABASE_URL: tls is no option that it takes: write ssl-mode=REQUIRED"),
        ("mysql://{}?ssl-mode=maybe", "DATABASE_URL: ssl-mode has to be one of DISABLED"),
        ("mysql://{}?ssl-ca=/no/such", "DATABASE_URL: ssl_ca, ssl_cert and ssl_key have to name files"),
        ("mysql://{}?sql_mode=ANSI", "DATABASE_URL: sql_mode is no option that it takes"),
    ],
)
def test_an_option_of_a_url_that_the_driver_does_not_know_stops_the_start(query: str, line: str) -> None:
    url = query.format("latchkey:planted-password@127.0.0.1:1/latchkey")

    told = start_error(config.load(SETTINGS | {"DATABASE_URL": url}, dotenv=None))

    assert told.startswith(line)
    assert "planted" not in told


def test_a_schema_of_a_later_version_stops_the_start(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    line = start_error(settings_of(database))

    assert line.startswith("SQLite: ")
    assert "9999" in line


def test_a_certificate_that_is_not_there_stops_the_start_by_the_name_of_the_setting() -> None:
    uri = "mongodb://latchkey:planted-password@127.0.0.1:1/x?tls=true&tlsCAFile=/no/such"

    line = start_error(config.load(SETTINGS | {"MONGO_URI": uri}, dotenv=None))

    assert line.startswith("MONGO_URI: a file that it names cannot be read (No such file")
    assert "planted" not in line


def test_dns_that_is_away_ends_the_start_with_its_reason() -> None:
    uri = "mongodb+srv://latchkey:planted-password@cluster.example.invalid/x"

    line = start_error(config.load(SETTINGS | {"MONGO_URI": uri}, dotenv=None))

    assert line.startswith("MongoDB does not answer (")
    assert line.endswith("check MONGO_URI or DATABASE_URL, and that the server runs")
    assert "planted" not in line


@pytest.mark.parametrize(
    "uri", ["mongodb://localhost:99999/x", "mongodb://a:b:c@localhost/x", "mongodb://localhost/a b"]
)
def test_a_uri_that_the_driver_refuses_stops_the_start_by_its_name(uri: str) -> None:
    try:
        settings = config.load(SETTINGS | {"MONGO_URI": uri}, dotenv=None)
    except config.ConfigurationError as refused:
        assert str(refused).startswith("MONGO_URI")  # noqa: PT017 - either of the two may see it
        return

    assert start_error(settings).startswith("MONGO_URI: ")


@pytest.mark.parametrize("algorithm", ["ES256", "HS256"])
def test_another_secret_key_stops_the_start_and_changes_nothing(algorithm: str, database: Path) -> None:
    wiring.prepare(settings_of(database, JWT_ALGORITHM=algorithm), patience=0)
    store = sql_store(f"sqlite:///{database}")
    before = store.keyrings.load()

    line = start_error(settings_of(database, SECRET_KEY=OTHER_KEY))

    assert line.startswith("SECRET_KEY: the signing key ")
    assert "set the SECRET_KEY that this store was used with, here or in SECRET_KEY_FALLBACKS" in line
    assert line.endswith("flask keys revoke --unopened")
    assert store.keyrings.load() == before
    store.close()
    wiring.prepare(settings_of(database, SECRET_KEY=OTHER_KEY, SECRET_KEY_FALLBACKS=SETTINGS["SECRET_KEY"]), patience=0)


def test_the_application_ends_with_the_line_instead_of_a_traceback(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("short")
    monkeypatch.setattr(secret_file, "SECRET_FILE", tmp_path / "secret")
    with pytest.raises(SystemExit, match="less than 32 characters"):
        create_app(settings_of(database, SECRET_KEY=""))
    monkeypatch.setenv("PORT", "planted")
    monkeypatch.setenv("FLASK_ENV", "testing")
    with pytest.raises(SystemExit, match="PORT: has to be a whole number"):
        create_app()


def test_after_the_end_no_thread_is_left(open_store: Callable[[], Store]) -> None:
    before = set(threads_alive())
    wired = wiring.build(config.load(SETTINGS, dotenv=None), store=open_store())
    wired.get(HealthService).check_ready()
    wired.get(HashPool).run(lambda: None)
    assert set(threads_alive()) > before

    wired.close()
    wired.get(HealthService)._executor.shutdown(wait=True)  # noqa: SLF001 - to wait for what `close` does not wait for

    assert set(threads_alive()) <= before


def test_the_reason_is_one_line() -> None:
    error = Unavailable()
    error.__cause__ = OSError("refused\n\tIs the server running?")

    told = Unavailable("The store does not answer.")
    told.__cause__ = error

    assert reason_of(error) == reason_of(told) == "refused"
    assert reason_of(Unavailable("Nobody is there.")) == "Nobody is there."
