"""`flask doctor` says what has to be repaired, and exits with 1 if anything has."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app import config, wiring
from app.accounts.account import Account
from app.security.breach_file_maker import write
from app.security.secret_keys import RootKey, SecretKeys
from app.store.sql.store import SqlStore
from app.webhooks.model import Webhook, WebhookBook
from app.webhooks.signing import new_secret, sealed_secret
from tests.api.service import SETTINGS
from tests.contract.entities import HASH, a_passkey, a_user
from tests.servers.process import free_port
from tests.servers.smtp import SmtpServer, smtp_server
from tests.stores import sql_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
    "SMTP_URL": "",
}


@pytest.fixture
def relay() -> Iterator[SmtpServer]:
    """A mail server."""
    with smtp_server() as server:
        yield server


def address(relay: SmtpServer) -> dict[str, str]:
    return {"SMTP_URL": f"smtp://127.0.0.1:{relay.port}?tls=off"}


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("settings", [{}, PRODUCTION], ids=["testing", "production"])
def test_a_healthy_installation_is_reported_as_healthy(
    settings: dict[str, str], flask: Callable[..., Result], relay: SmtpServer
) -> None:
    result = flask("doctor", **settings | address(relay))

    assert result.exit_code == 0
    assert [line.split(maxsplit=1) for line in result.stdout.splitlines()] == [
        ["ok", "addresses"],
        ["ok", "secret"],
        ["ok", "mail"],
        ["ok", "store"],
        ["ok", "passkeys"],
        ["ok", "signing keys"],
    ]


def test_a_missing_store_is_reported_as_not_made_yet_and_its_keys_are_not_checked(
    flask: Callable[..., Result],
) -> None:
    result = flask("doctor")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[3:] == [
        "error   store: it has not been made yet: the first start makes it, or run flask db upgrade"
    ]


def test_a_store_that_does_not_answer_is_reported(flask: Callable[..., Result]) -> None:
    result = flask("doctor", DATABASE_URL=f"postgresql://latchkey@127.0.0.1:{free_port()}/latchkey")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("error   store: PostgreSQL does not answer: ")


def test_a_missing_schema_is_reported_with_its_remedy(flask: Callable[..., Result], fresh: Path) -> None:
    fresh.parent.mkdir()
    fresh.touch()
    result = flask("doctor")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("error   store: it has not been made yet: ")
    assert result.stdout.endswith("run flask db upgrade\n")


def test_a_file_that_is_not_a_database_is_reported_in_one_line(flask: Callable[..., Result], fresh: Path) -> None:
    fresh.parent.mkdir()
    fresh.write_text("this is no database\n" * 100)
    result = flask("doctor")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("error   store: SQLite: it refuses what it is asked (file is not")


def test_signing_keys_that_are_missing_or_cannot_be_opened_are_reported(
    flask: Callable[..., Result], fresh: Path
) -> None:
    store = sql_store(f"sqlite:///{fresh}")
    store.prepare()
    store.close()
    missing = flask("doctor")
    flask("db", "upgrade")
    sealed = flask("doctor", SECRET_KEY=OTHER)

    assert (missing.exit_code, sealed.exit_code) == (1, 1)
    assert missing.stdout.splitlines()[-1].startswith("error   signing keys: The store holds no signing keys")
    assert sealed.stdout.splitlines()[-1].startswith("error   signing keys: the signing key ")
    assert "SECRET_KEY_FALLBACKS" in sealed.stdout


def test_a_fallback_is_reported_as_needed_until_the_keys_are_resealed_and_then_as_droppable(
    flask: Callable[..., Result], fresh: Path
) -> None:
    former = SETTINGS["SECRET_KEY"]
    settings = {"SECRET_KEY": OTHER, "SECRET_KEY_FALLBACKS": f"{former},{OTHER},{NEVER}"}
    store = {"DATABASE_URL": f"sqlite:///{fresh}"}
    wiring.prepare(config.load(SETTINGS | store, dotenv=None))
    before = flask("doctor", **settings)
    wiring.prepare(config.load(SETTINGS | store | settings, dotenv=None))
    after = flask("doctor", **settings)

    name = RootKey(former).name
    seals_none = (
        "seals none of the keys, none of the secrets of authenticator apps and none of the secrets of webhooks:"
        " drop it 30 days after it was last SECRET_KEY"
    )
    assert (before.exit_code, after.exit_code) == (0, 0)
    assert [line.partition(" signing keys: ")[2] for line in before.stdout.splitlines()[5:]] == [
        f"number 1 of SECRET_KEY_FALLBACKS ({name}) is still needed: it seals 1 of the keys; a start reseals them",
        f"number 2 of SECRET_KEY_FALLBACKS ({RootKey(OTHER).name}) is SECRET_KEY itself: drop it",
        f"number 3 of SECRET_KEY_FALLBACKS ({RootKey(NEVER).name}) {seals_none}",
    ]
    assert after.stdout.splitlines()[5:] == [
        f"note    signing keys: number 1 of SECRET_KEY_FALLBACKS ({name}) {seals_none}",
        *before.stdout.splitlines()[6:],
    ]


def test_a_fallback_is_needed_as_long_as_it_seals_a_secret_of_a_webhook_that_signs(
    flask: Callable[..., Result], fresh: Path
) -> None:
    former, settings = SETTINGS["SECRET_KEY"], {"SECRET_KEY": OTHER, "SECRET_KEY_FALLBACKS": SETTINGS["SECRET_KEY"]}
    store_url = {"DATABASE_URL": f"sqlite:///{fresh}"}
    wiring.prepare(config.load(SETTINGS | store_url | {"SECRET_KEY": OTHER}, dotenv=None))
    now, secrets = datetime.now(UTC), SecretKeys(former)
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("a", {}),
        ("b", {"former": sealed_secret(new_secret(), "b", secrets), "former_until": now + timedelta(days=1)}),
        ("c", {"former": sealed_secret(new_secret(), "c", secrets), "former_until": now - timedelta(days=1)}),
    )
    webhooks = [
        Webhook(name, "https://example.com", ("*",), now, sealed_secret(new_secret(), name, secrets), **more)
        for name, more in kinds
    ]
    store = sql_store(f"sqlite:///{fresh}")
    assert store.webhook_books.save(WebhookBook(1, tuple(webhooks)))
    store.close()

    before = flask("doctor", **settings)
    wiring.prepare(config.load(SETTINGS | store_url | settings, dotenv=None))
    after = flask("doctor", **settings)

    assert "is still needed: it seals 4 of the secrets of webhooks; a start reseals them" in before.stdout
    assert "none of the secrets of webhooks" in after.stdout


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ({"PUBLIC_URL": ""}, "PUBLIC_URL is not set: links and tokens name http://localhost:5000"),
        ({"PUBLIC_URL": "http://auth.example.com"}, "PUBLIC_URL is not https"),
        ({"TRUSTED_PROXIES": ""}, "TRUSTED_PROXIES is empty"),
    ],
)
def test_what_production_lacks_is_a_warning_which_exits_with_0(
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
    monkeypatch.setattr("app.security.secret_file.SECRET_FILE", secret)

    result = flask("doctor", SECRET_KEY="")

    assert result.exit_code == 0
    assert f"warning secret: SECRET_KEY is read from {secret}: keep a copy of it" in result.stdout


@pytest.mark.usefixtures("prepared")
def test_notes_alone_exit_with_0(flask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
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
            ["REQUIRE_VERIFIED_EMAIL is on without SMTP_URL: new users cannot log in"],
        ),
        (
            {"FACTOR_RECOVERY_HOURS": "72"},
            ["FACTOR_RECOVERY_HOURS is set without SMTP_URL: nobody can be warned, so nobody can recover"],
        ),
        ({"LOGIN_BY_MAIL": "on"}, ["LOGIN_BY_MAIL is on without SMTP_URL: nobody gets a code"]),
    ],
)
def test_production_without_a_mail_server_is_warned_of_the_consequences(
    settings: dict[str, str], warnings: list[str], flask: Callable[..., Result]
) -> None:
    result = flask("doctor", **PRODUCTION | {"SMTP_URL": "", "LOGIN_BY_MAIL": "off"} | settings)

    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if " mail: " in line] == [
        "note    mail: SMTP_URL is not set: no mail is sent, so nobody can verify an address or reset a password",
        *(f"warning mail: {warning}" for warning in warnings),
    ]


@pytest.mark.usefixtures("prepared")
def test_the_check_of_the_mail_server_logs_in_and_sends_no_mail(
    flask: Callable[..., Result], relay: SmtpServer
) -> None:
    well = flask("doctor", **address(relay))
    relay.answers["sender"] = "550 we do not know no-reply@localhost"
    refused = flask("doctor", **address(relay))
    away = flask("doctor", SMTP_URL=f"smtp://mailer:planted@127.0.0.1:{free_port()}")

    assert (well.exit_code, refused.exit_code, away.exit_code) == (0, 1, 1)
    assert "ok      mail\n" in well.stdout
    assert "error   mail: SMTP_URL: the mail server answered 550 we do not know" in refused.stdout
    assert "error   mail: SMTP_URL: 127.0.0.1:" in away.stdout
    assert "planted" not in away.output
    assert relay.received == []
    # A problem with one thing does not stop the other checks.
    assert away.stdout.splitlines()[-1].split() == ["ok", "signing", "keys"]


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("networks", ["0.0.0.0/0", "::/0", "192.0.2.7,0.0.0.0/1"])
@pytest.mark.parametrize("name", ["TRUSTED_PROXIES", "METRICS_ALLOW"])
def test_a_network_of_all_addresses_is_a_warning(name: str, networks: str, flask: Callable[..., Result]) -> None:
    result = flask("doctor", **{name: networks})

    assert result.exit_code == 0
    assert f"warning addresses: {name} names everyone" in result.stdout
    assert "names everyone" not in flask("doctor", **{name: "10.0.0.0/8,192.0.2.7,2001:db8::/32"}).stdout


@pytest.mark.usefixtures("prepared")
def test_other_services_that_are_dead_are_warnings(flask: Callable[..., Result]) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    result = flask("doctor", PASSWORD_BREACH_CHECK=dead, OTEL_EXPORTER_OTLP_ENDPOINT=dead)

    assert result.exit_code == 0
    assert "warning breached passwords: PASSWORD_BREACH_CHECK: ConnectionRefusedError" in result.stdout
    assert "warning tracing: OTEL_EXPORTER_OTLP_ENDPOINT: " in result.stdout


@pytest.mark.usefixtures("prepared")
def test_a_file_of_breached_passwords_whose_checksum_is_wrong_is_an_error(
    flask: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "breached"
    write([1, 2, 3], file)
    well = flask("doctor", BREACHED_PASSWORDS_FILE=str(file))
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    damaged = flask("doctor", BREACHED_PASSWORDS_FILE=str(file))

    assert (well.exit_code, damaged.exit_code) == (0, 1)
    assert well.stdout.splitlines()[-1].split() == ["ok", "breached", "passwords"]
    assert "error   breached passwords: BREACHED_PASSWORDS_FILE: its checksum is wrong" in damaged.stdout


@pytest.mark.usefixtures("prepared")
def test_json_has_one_finding_per_line(flask: Callable[..., Result]) -> None:
    result = flask("doctor", "--json", TRUSTED_PROXIES="0.0.0.0/0")

    findings = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["severity"], one["check"]) for one in findings] == [
        ("warning", "addresses"), ("ok", "secret"), ("ok", "mail"), ("ok", "store"), ("ok", "passkeys"),
        ("ok", "signing keys"),
    ]  # fmt: skip


@pytest.mark.usefixtures("prepared")
def test_a_fallback_that_leaked_is_a_warning(flask: Callable[..., Result]) -> None:
    former = SETTINGS["SECRET_KEY"]
    assert flask("secrets", "leaked", input=former, SECRET_KEY=OTHER).exit_code == 0

    result = flask("doctor", SECRET_KEY=OTHER, SECRET_KEY_FALLBACKS=former)

    assert result.exit_code == 0
    assert f"({RootKey(former).name}) leaked, and nothing made with it is trusted: drop it" in result.stdout


@pytest.mark.usefixtures("prepared")
def test_redis_is_checked_if_it_is_set(flask: Callable[..., Result], redis_server: RedisServer) -> None:
    result = flask("doctor", REDIS_URL=redis_server.url)

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].split() == ["ok", "redis"]


@pytest.mark.usefixtures("prepared")
def test_a_redis_that_does_not_answer_is_reported(flask: Callable[..., Result]) -> None:
    result = flask("doctor", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("error   redis: it does not answer: ")


@pytest.mark.usefixtures("prepared")
def test_more_argon2_at_once_than_fits_into_the_memory_is_a_warning(flask: Callable[..., Result]) -> None:
    fits = flask("doctor", PASSWORD_HASH="argon2id", WEB_CONCURRENCY="1", HASH_THREADS="1")
    many = flask("doctor", PASSWORD_HASH="argon2id", WEB_CONCURRENCY="1000", HASH_THREADS="1000")

    assert (fits.exit_code, many.exit_code) == (0, 0)
    assert "ok      hashing memory\n" in fits.stdout
    assert "warning hashing memory: 1000 workers with 1000 hashing threads each need up to " in many.stdout


@pytest.mark.usefixtures("prepared")
def test_a_cookie_that_browsers_drop_without_https_is_a_warning(flask: Callable[..., Result]) -> None:
    warning = "warning browsers: AUTH_COOKIES is on, but PUBLIC_URL is not https"
    plain = PRODUCTION | {"PUBLIC_URL": "http://auth.example.com"}

    assert warning in flask("doctor", **plain, AUTH_COOKIES="on").stdout
    assert "browsers" not in flask("doctor", **plain).stdout
    assert "ok      browsers" in flask("doctor", **PRODUCTION, AUTH_COOKIES="on").stdout


@pytest.mark.usefixtures("prepared")
def test_pages_of_another_site_which_get_no_cookie_are_a_warning(flask: Callable[..., Result]) -> None:
    origins = "https://app.example.com,https://app.example"

    result = flask("doctor", **PRODUCTION, AUTH_COOKIES="on", CORS_ORIGINS=origins)

    assert result.exit_code == 0
    (line,) = [line for line in result.stdout.splitlines() if "CORS_ORIGINS" in line]
    assert line.startswith("warning browsers: CORS_ORIGINS: to browsers, https://app.example is another site than")
    assert "CORS_ORIGINS" not in flask("doctor", **PRODUCTION, CORS_ORIGINS=origins).stdout


@pytest.mark.usefixtures("prepared")
def test_an_rp_id_other_than_that_of_the_passkeys_is_told(flask: Callable[..., Result], fresh: Path) -> None:
    store = sql_store(f"sqlite:///{fresh}")
    user = a_user()
    store.users.add(Account(user, HASH))
    for rp_id in ("localhost", "example.com", "example.com"):
        assert store.passkeys.add(a_passkey(user, rp_id=rp_id))
    store.close()

    result = flask("doctor")

    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if "passkeys" in line] == [
        "warning passkeys: PASSKEY_RP_ID is localhost, but 2 passkeys were made for example.com: they are worthless now"
    ]


@pytest.mark.usefixtures("prepared")
def test_an_rp_id_that_browsers_refuse_is_told(flask: Callable[..., Result]) -> None:
    result = flask("doctor", PUBLIC_URL="http://192.0.2.7")
    assert result.exit_code == 0
    assert "warning passkeys: PASSKEY_RP_ID: browsers make no passkeys for an IP address" in result.stdout
