"""What the settings are, by profile, and how wrong ones are reported."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import traceback
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from app.config import ConfigurationError, Settings, load

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = secrets.token_urlsafe(48)
PRODUCTION = {"SECRET_KEY": SECRET, "MONGO_URI": "mongodb://mongo:27017/latchkey"}
DEVELOPMENT = {"FLASK_ENV": "development"}
PLANTED = "pl4nted-s3cret"


def problems(environ: Mapping[str, str], dotenv: Path | None = None) -> dict[str, str]:
    """The lines of the error that `environ` causes, by the name they begin with."""
    with pytest.raises(ConfigurationError) as caught:
        load(environ, dotenv)
    assert str(caught.value) == "\n".join(caught.value.problems)
    lines = dict(line.split(": ", 1) for line in caught.value.problems)
    assert len(lines) == len(caught.value.problems)
    return lines


def test_development_needs_nothing_and_takes_the_documented_defaults() -> None:
    settings = load(DEVELOPMENT, None)
    assert (settings.server.host, settings.server.port, settings.server.bind) == (
        "127.0.0.1",
        5000,
        "127.0.0.1:5000",
    )
    assert settings.server.public_url == settings.tokens.jwt_audience == "http://localhost:5000"
    assert settings.server.trusted_proxies == ()
    assert (settings.server.web_concurrency, settings.server.max_body_bytes) == (2, 65536)
    assert settings.server.rate_limits
    assert (settings.store.mongo_uri, settings.store.redis_url) == (None, None)
    assert (settings.tokens.secret_key, settings.tokens.secret_key_fallbacks) == (None, ())
    assert (settings.tokens.jwt_algorithm, settings.tokens.access_token_seconds) == ("ES256", 900)
    assert settings.tokens.refresh_idle_seconds == 30 * 86400
    assert settings.tokens.refresh_absolute_seconds == 90 * 86400
    assert settings.tokens.refresh_grace_seconds == 30
    assert (settings.passwords.min_length, settings.passwords.scheme) == (10, "bcrypt")
    assert (settings.passwords.bcrypt_cost, settings.passwords.hash_queue) == (12, 48)
    assert settings.passwords.hash_deadline_seconds == 15
    assert settings.accounts.registration_requires == "either"
    assert (settings.accounts.default_roles, settings.accounts.user_directory) == (("member",), "members")
    assert (settings.logging.level, settings.logging.file) == ("info", None)


LOOPBACK = ("localhost", "127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("environ", "profile", "hosts", "log_format", "database"),
    [
        (PRODUCTION, "production", LOOPBACK, "json", None),
        (PRODUCTION | {"FLASK_ENV": "production"}, "production", LOOPBACK, "json", None),
        (DEVELOPMENT, "development", ("*",), "console", "sqlite:///instance/latchkey.db"),
        ({"FLASK_ENV": "testing"}, "testing", ("*",), "json", "sqlite:///instance/latchkey.db"),
        (DEVELOPMENT | {"MONGO_URI": "mongodb://localhost"}, "development", ("*",), "console", None),
    ],
)
def test_the_profile_decides_the_defaults(
    environ: dict[str, str], profile: str, hosts: tuple[str, ...], log_format: str, database: str | None
) -> None:
    settings = load(environ, None)
    url = settings.store.database_url
    assert settings.profile == profile
    assert settings.server.allowed_hosts == hosts
    assert settings.logging.format == log_format
    assert (url.get_secret_value() if url else None) == database


def test_each_setting_reaches_its_section_with_its_type() -> None:
    fallback = secrets.token_hex(32)
    settings = load(
        PRODUCTION
        | {
            "HOST": "::1",
            "PORT": "0",
            "PUBLIC_URL": "https://auth.example.com/base",
            "TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.7,2001:db8::/32",
            "SECRET_KEY_FALLBACKS": f"{fallback},",
            "DEFAULT_ROLES": "member, student",
            "LOG_LEVEL": "WARNING",
            "LOG_FILE": "log/latchkey.log",
            "RATE_LIMITS": "On",
            "REFRESH_GRACE_SECONDS": "0",
        },
        None,
    )
    assert (settings.server.bind, settings.server.allowed_hosts) == ("[::1]:0", ("auth.example.com",))
    assert settings.server.public_url_is_set
    assert settings.tokens.jwt_audience == "https://auth.example.com/base"
    assert settings.server.trusted_proxies == tuple(
        ip_network(network) for network in ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32")
    )
    assert [key.get_secret_value() for key in settings.tokens.secret_key_fallbacks] == [fallback]
    assert settings.accounts.default_roles == ("member", "student")
    assert (settings.logging.level, settings.logging.file) == ("warning", Path("log/latchkey.log"))
    assert settings.server.rate_limits
    assert settings.tokens.refresh_grace_seconds == 0


def test_a_guessed_public_url_follows_the_port_and_is_marked_as_guessed() -> None:
    server = load(DEVELOPMENT | {"PORT": "8080"}, None).server
    assert server.public_url == "http://localhost:8080"
    assert not server.public_url_is_set


def test_the_cores_are_shared_out_among_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert load(DEVELOPMENT | {"WEB_CONCURRENCY": "3"}, None).passwords.hash_threads == 2
    assert load(DEVELOPMENT | {"WEB_CONCURRENCY": "9"}, None).passwords.hash_threads == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert load(DEVELOPMENT, None).passwords.hash_threads == 3


def test_a_url_of_mongodb_without_a_database_means_latchkey() -> None:
    assert load(PRODUCTION | {"MONGO_URI": "mongodb://a,b/?w=majority"}, None).store.mongo_database == "latchkey"
    assert load(PRODUCTION | {"MONGO_URI": "mongodb://a/other%2Done"}, None).store.mongo_database == "other-one"


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("LOG_LEVEL=error\n")
    monkeypatch.setenv("FLASK_ENV", "development")
    monkeypatch.setenv("PORT", "8081")
    settings = load()
    assert (settings.server.port, settings.logging.level) == (8081, "error")


def test_settings_and_sections_cannot_be_changed() -> None:
    settings = load(DEVELOPMENT, None)
    with pytest.raises(ValidationError):
        settings.server = settings.server  # type: ignore[misc]  # mypy sees that it is frozen
    with pytest.raises(ValidationError):
        settings.server.port = 1  # type: ignore[misc]  # mypy sees that it is frozen


def test_production_without_store_and_secret_stops_with_the_lines_to_set() -> None:
    assert problems({}) == {
        "DATABASE_URL": "neither it nor MONGO_URI is set, and production needs one of them; set"
        " MONGO_URI=mongodb://localhost:27017/latchkey or"
        " DATABASE_URL=postgresql://latchkey@localhost:5432/latchkey",
        "SECRET_KEY": "is not set, and production needs it; set SECRET_KEY=<random text>, made by:"
        ' python -c "import secrets; print(secrets.token_urlsafe(48))"',
    }


def test_both_stores_are_an_error_that_names_both() -> None:
    for url in ("sqlite:///x.db", "nonsense"):
        lines = problems(DEVELOPMENT | {"MONGO_URI": "mongodb://localhost", "DATABASE_URL": url})
        assert list(lines) == ["DATABASE_URL"]
        assert "MONGO_URI and DATABASE_URL are both set" in lines["DATABASE_URL"]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "FLASK_ENV",
            "prod",
            "has to be 'development', 'production' or 'testing', for example FLASK_ENV=production",
        ),
        ("PORT", "65536", "has to be at most 65535, for example PORT=8080"),
        ("PORT", "-1", "has to be at least 0, for example PORT=8080"),
        ("PORT", "http", "has to be a whole number, for example PORT=8080"),
        ("WEB_CONCURRENCY", "0", "has to be at least 1, for example WEB_CONCURRENCY=4"),
        ("RATE_LIMITS", "off", "cannot be off when FLASK_ENV is production, for example RATE_LIMITS=on"),
        ("SAMPLES", "none", "has to be on or off, for example SAMPLES=off"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "localhost:4318",
            (
                "has to start with http:// or https:// and a host,"
                " for example OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318"
            ),
        ),
        ("RATE_LIMITS", "maybe", "has to be on or off, for example RATE_LIMITS=on"),
        (
            "BCRYPT_COST",
            "11",
            "has to be at least 12 when FLASK_ENV is production, for example BCRYPT_COST=13",
        ),
        ("BCRYPT_COST", "18", "has to be at most 17, for example BCRYPT_COST=13"),
        ("PASSWORD_MIN_LENGTH", "7", "has to be at least 8, for example PASSWORD_MIN_LENGTH=15"),
        ("PASSWORD_MIN_LENGTH", "129", "has to be at most 128, for example PASSWORD_MIN_LENGTH=15"),
        (
            "JWT_ALGORITHM",
            "none",
            "has to be 'ES256', 'HS256', 'EdDSA' or 'RS256', for example JWT_ALGORITHM=EdDSA",
        ),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8,10.0.0.1/8",
            (
                "entry 2 has to be an address or a network without host bits,"
                " for example TRUSTED_PROXIES=172.16.0.0/12,192.0.2.7"
            ),
        ),
        ("ACCESS_TOKEN_SECONDS", "0", "has to be at least 1, for example ACCESS_TOKEN_SECONDS=300"),
        (
            "REFRESH_IDLE_SECONDS",
            "999999999999",
            "has to be at most 315360000, for example REFRESH_IDLE_SECONDS=604800",
        ),
    ],
)
def test_a_wrong_value_is_reported_with_its_name_the_reason_and_an_example(name: str, value: str, line: str) -> None:
    assert problems(PRODUCTION | {name: value}) == {name: line}


def test_a_session_cannot_idle_longer_than_it_lives() -> None:
    expected = {
        "REFRESH_ABSOLUTE_SECONDS": "has to be at least REFRESH_IDLE_SECONDS,"
        " for example REFRESH_ABSOLUTE_SECONDS=2592000"
    }
    assert problems(DEVELOPMENT | {"REFRESH_IDLE_SECONDS": str(91 * 86400)}) == expected
    assert problems(DEVELOPMENT | {"REFRESH_ABSOLUTE_SECONDS": "60"}) == expected


def test_development_may_do_what_production_refuses() -> None:
    settings = load(DEVELOPMENT | {"RATE_LIMITS": "off", "BCRYPT_COST": "4"}, None)
    assert not settings.server.rate_limits
    assert settings.passwords.bcrypt_cost == 4


def test_all_wrong_settings_of_all_sections_are_reported_at_once(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("PROT=1\nWEB_CONCURRENCY=none\n")
    environ = {
        "PORT": "x",
        "JWT_ALGORITHM": "none",
        "BCRYPT_COST": "4",
        "RATE_LIMITS": "off",
        "REDIS_URL": "x",
    }
    expected = {*environ, "WEB_CONCURRENCY", "SECRET_KEY", "DATABASE_URL", f"{dotenv}, line 1"}
    assert set(problems(environ, dotenv)) == expected


def test_a_wrong_profile_is_the_only_complaint_about_what_depends_on_it() -> None:
    assert set(problems({"FLASK_ENV": "prod", "RATE_LIMITS": "off", "BCRYPT_COST": "4"})) == {"FLASK_ENV"}


@pytest.mark.parametrize(
    "environ",
    [
        {"SECRET_KEY": PLANTED},
        {"SECRET_KEY_FALLBACKS": f"{SECRET},{PLANTED}"},
        {"SECRET_KEY_FILE": PLANTED},
        {"MONGO_URI": f"mongodb://user:{PLANTED}@[host/"},
        {"MONGO_URI": f"mongodb://user:{PLANTED}@host/?w=1"},
        {"MONGO_URI": PLANTED},
        {"DATABASE_URL": f"postgresql://user:{PLANTED}@host:{PLANTED}/latchkey"},
        {"DATABASE_URL": f"oracle://user:{PLANTED}@host/latchkey"},
        {"REDIS_URL": f"http://:{PLANTED}@host"},
        {"REDIS_URL": f"redis://:{PLANTED}@h\u2100st"},
    ],
)
def test_a_wrong_secret_is_in_no_error_traceback_or_cause(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(DEVELOPMENT | environ, None)
    assert PLANTED not in "".join(traceback.format_exception(caught.value))
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_no_secret_is_in_the_representation() -> None:
    key = f"{PLANTED}{SECRET}"
    settings = load(
        {
            "SECRET_KEY": key,
            "SECRET_KEY_FALLBACKS": key,
            "DATABASE_URL": f"mysql://u:{PLANTED}@h/d",
            "REDIS_URL": f"redis://:{PLANTED}@h",
        },
        None,
    )
    assert settings.tokens.secret_key
    assert settings.tokens.secret_key.get_secret_value() == key
    shown = (
        repr(settings),
        str(settings),
        repr(settings.store),
        str(settings.model_dump()),
        settings.model_dump_json(),
    )
    assert all(PLANTED not in text for text in shown)


def test_reading_settings_loads_no_driver() -> None:
    code = (
        "import sys; from app.config import load; load({'FLASK_ENV': 'testing'}, None);"
        "print({'pymongo', 'sqlalchemy', 'redis', 'flask'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed == "set()\n"


def test_the_public_names_are_importable_from_the_package() -> None:
    assert isinstance(load(DEVELOPMENT, None), Settings)


def test_the_address_of_a_collector_may_end_with_a_slash() -> None:
    settings = load(DEVELOPMENT | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318/"}, None)
    assert settings.monitoring.otlp_endpoint == "http://localhost:4318"
