"""`flask doctor` says what has to be mended, and ends with 1 if anything has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app import config, wiring
from app.models.sql.store import SqlStore
from app.security.secret_keys import RootKey
from tests.api.service import SETTINGS
from tests.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from tests.servers.redis import RedisServer

OTHER = "wP4nT8xK2mV6rB9sJ3hL7gD1fQ5zC0aE-yU_oI"
NEVER = "hB7cN2vM9xZ4kJ6gF1dS8aP3oI5uY0tR-eW_qL"
PRODUCTION = {
    "FLASK_ENV": "production",
    "BCRYPT_COST": "12",
    "PUBLIC_URL": "https://auth.example.com",
    "TRUSTED_PROXIES": "192.0.2.7",
    "SMTP_URL": "smtp://mail.example.com",
}


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("settings", [{}, PRODUCTION], ids=["testing", "production"])
def test_an_installation_that_is_well_is_told_to_be(settings: dict[str, str], flask: Callable[..., Result]) -> None:
    result = flask("doctor", **settings)

    assert result.exit_code == 0
    assert [line.split(maxsplit=1) for line in result.stdout.splitlines()] == [
        ["ok", "addresses"],
        ["ok", "secret"],
        ["ok", "mail"],
        ["ok", "store"],
        ["ok", "signing keys"],
    ]


def test_a_store_that_is_not_there_is_told_alone(flask: Callable[..., Result]) -> None:
    result = flask("doctor")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[3:] == [
        "error   store: SQLite does not answer: (sqlite3.OperationalError) unable to open database file"
    ]


def test_a_schema_that_is_missing_is_told_with_its_remedy(flask: Callable[..., Result], fresh: Path) -> None:
    fresh.parent.mkdir()
    fresh.touch()
    result = flask("doctor")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("error   store: the schema is at revision None")
    assert result.stdout.endswith("run flask db upgrade\n")


def test_a_file_that_is_no_database_is_told_in_one_line(flask: Callable[..., Result], fresh: Path) -> None:
    fresh.parent.mkdir()
    fresh.write_text("this is no database\n" * 100)
    result = flask("doctor")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("error   store: SQLite: it refuses what it is asked (file is not")


def test_signing_keys_that_are_missing_or_cannot_be_opened_are_told(flask: Callable[..., Result], fresh: Path) -> None:
    store = SqlStore(f"sqlite:///{fresh}")
    store.prepare()
    store.close()
    missing = flask("doctor")
    flask("db", "upgrade")
    sealed = flask("doctor", SECRET_KEY=OTHER)

    assert (missing.exit_code, sealed.exit_code) == (1, 1)
    assert missing.stdout.splitlines()[-1].startswith("error   signing keys: The store holds no signing keys")
    assert sealed.stdout.splitlines()[-1].startswith("error   signing keys: the signing key ")
    assert "SECRET_KEY_FALLBACKS" in sealed.stdout


def test_a_fallback_is_told_to_be_needed_until_the_keys_are_sealed_anew_and_then_that_it_can_be_dropped(
    flask: Callable[..., Result], fresh: Path
) -> None:
    former = SETTINGS["SECRET_KEY"]
    settings = {"SECRET_KEY": OTHER, "SECRET_KEY_FALLBACKS": f"{former},{OTHER},{NEVER}"}
    address = {"DATABASE_URL": f"sqlite:///{fresh}"}
    wiring.prepare(config.load(SETTINGS | address, dotenv=None))
    before = flask("doctor", **settings)
    wiring.prepare(config.load(SETTINGS | address | settings, dotenv=None))
    after = flask("doctor", **settings)

    name = RootKey(former).name
    seals_none = "seals none: drop it when it has not been SECRET_KEY for 30 days"
    assert (before.exit_code, after.exit_code) == (0, 0)
    assert [line.partition(" signing keys: ")[2] for line in before.stdout.splitlines()[4:]] == [
        f"number 1 of SECRET_KEY_FALLBACKS ({name}) is still needed, it seals 1: a start seals them anew",
        f"number 2 of SECRET_KEY_FALLBACKS ({RootKey(OTHER).name}) is SECRET_KEY itself: drop it",
        f"number 3 of SECRET_KEY_FALLBACKS ({RootKey(NEVER).name}) {seals_none}",
    ]
    assert after.stdout.splitlines()[4:] == [
        f"note    signing keys: number 1 of SECRET_KEY_FALLBACKS ({name}) {seals_none}",
        *before.stdout.splitlines()[5:],
    ]


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ({"PUBLIC_URL": ""}, "PUBLIC_URL is not set: links and tokens name http://localhost:5000"),
        ({"PUBLIC_URL": "http://auth.example.com"}, "PUBLIC_URL is not https"),
        ({"TRUSTED_PROXIES": ""}, "TRUSTED_PROXIES is empty"),
    ],
)
def test_what_production_should_have_is_a_warning_which_ends_with_0(
    settings: dict[str, str], warning: str, flask: Callable[..., Result]
) -> None:
    result = flask("doctor", **PRODUCTION | settings)

    assert result.exit_code == 0
    assert f"\n{result.stdout}".count(f"\nwarning addresses: {warning}") == 1


@pytest.mark.usefixtures("prepared")
def test_a_secret_that_the_service_made_itself_is_a_warning(
    flask: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret_key"
    secret.write_text(SETTINGS["SECRET_KEY"])
    monkeypatch.setattr("app.wiring.SECRET_FILE", secret)

    result = flask("doctor", SECRET_KEY="")

    assert result.exit_code == 0
    assert f"warning secret: SECRET_KEY is the one in {secret}: keep a copy of it" in result.stdout


@pytest.mark.usefixtures("prepared")
def test_what_is_only_worth_knowing_ends_with_0(flask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqlStore, "problems", lambda _: ["note: it could be larger"])

    assert "note    store: it could be larger\n" in flask("doctor").stdout
    assert flask("doctor").exit_code == 0
    assert flask("db", "check").exit_code == 0


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("settings", "warnings"),
    [
        ({}, []),
        ({"HIDE_ACCOUNTS": "on"}, ["HIDE_ACCOUNTS is on without SMTP_URL: nobody can register"]),
        (
            {"REQUIRE_VERIFIED_EMAIL": "on"},
            ["REQUIRE_VERIFIED_EMAIL is on without SMTP_URL: nobody new can log in"],
        ),
    ],
)
def test_production_without_a_mail_server_is_told_what_that_means(
    settings: dict[str, str], warnings: list[str], flask: Callable[..., Result]
) -> None:
    result = flask("doctor", **PRODUCTION | {"SMTP_URL": ""} | settings)

    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if " mail: " in line] == [
        "note    mail: SMTP_URL is not set: no mail is sent, so nobody can verify an address or reset a password",
        *(f"warning mail: {warning}" for warning in warnings),
    ]


@pytest.mark.usefixtures("prepared")
def test_redis_is_asked_where_there_is_one(flask: Callable[..., Result], redis_server: RedisServer) -> None:
    result = flask("doctor", REDIS_URL=redis_server.url)

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].split() == ["ok", "redis"]


@pytest.mark.usefixtures("prepared")
def test_redis_that_does_not_answer_is_told(flask: Callable[..., Result]) -> None:
    result = flask("doctor", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("error   redis: it does not answer: ")
