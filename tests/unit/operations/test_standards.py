"""`flask doctor --profile` judges each requirement of a standard by this instance's settings, and says so honestly."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app import config, wiring
from app.audit.chain.sealing import Sealing
from app.operations import asvs, nist
from app.operations.standards import Facts, Requirement, always
from app.platform.clock import now
from tests.api.service import SETTINGS
from tests.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

WELL = {
    "FLASK_ENV": "production",
    "BCRYPT_COST": "12",
    "PUBLIC_URL": "https://auth.example.com",
    "DATABASE_URL": "postgresql://db.example.com/latchkey?sslmode=verify-full",
    "REDIS_URL": "rediss://redis.example.com",
    "SMTP_URL": "smtp://mail.example.com",
    "PASSWORD_MIN_LENGTH": "15",
    "BREACHED_PASSWORDS_FILE": "/var/lib/latchkey/breached",
    "REFRESH_IDLE_SECONDS": "3600",
    "REFRESH_ABSOLUTE_SECONDS": "86400",
    "HIDE_ACCOUNTS": "on",
    "REQUIRE_SECOND_FACTOR": "all",
}


def judged(
    requirements: tuple[Requirement, ...], settings: dict[str, str], checkpoint_days: int | None = 0
) -> dict[str, str]:
    """The verdicts by number and text."""
    facts = Facts(config.load(SETTINGS | settings, dotenv=None), checkpoint_days)
    return {f"{each.number} {each.text}": each.judge(facts).verdict for each in requirements}


def unmet(requirements: tuple[Requirement, ...], **settings: str) -> set[str]:
    return {name for name, verdict in judged(requirements, settings).items() if verdict == "not met"}


def test_a_strict_instance_lacks_only_what_the_service_cannot_do_yet() -> None:
    assert unmet(asvs.REQUIREMENTS, **WELL) == set()
    assert unmet(nist.REQUIREMENTS, **WELL) == {"3.1.1.2 A change is forced if a password is known to be compromised"}


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        ({"PASSWORD_MIN_LENGTH": "14"}, ["3.1.1.2"]),
        ({"REQUIRE_SECOND_FACTOR": "admins"}, ["2.2.1", "6.3.3"]),
        ({"FACTOR_TRUST_DAYS": "1"}, ["2.2.1", "6.3.3"]),
        ({"BREACHED_PASSWORDS_FILE": ""}, ["3.1.1.2", "6.2.12"]),
        ({"FLASK_ENV": "testing", "BCRYPT_COST": "11"}, ["11.4.2", "13.4.2", "3.1.1.2"]),
        ({"FLASK_ENV": "testing", "RATE_LIMITS": "off"}, ["13.4.2", "3.2.2", "6.3.1"]),
        ({"PUBLIC_URL": "http://auth.example.com"}, ["12.2.1", "2.2.2", "5.1"]),
        ({"DATABASE_URL": "postgresql://db.example.com/latchkey"}, ["12.3.1"]),
        ({"DATABASE_URL": "postgresql://db.example.com/latchkey?sslmode=prefer"}, ["12.3.1"]),
        ({"DATABASE_URL": "postgresql://127.0.0.1,db.example.com/latchkey"}, ["12.3.1"]),
        ({"DATABASE_URL": "mariadb://db.example.com/latchkey"}, ["12.3.1"]),
        ({"DATABASE_URL": "", "MONGO_URI": "mongodb://db.example.com"}, ["12.3.1"]),
        ({"DATABASE_URL": "", "MONGO_URI": "mongodb+srv://db.example.com/?tls=false"}, ["12.3.1"]),
        ({"REDIS_URL": "redis://redis.example.com"}, ["12.3.1"]),
        ({"SMTP_URL": "smtp://mail.example.com?tls=off"}, ["12.3.1"]),
        ({"SMTP_URL": "", "HIDE_ACCOUNTS": "off"}, ["4.6", "6.4.3"]),
        ({"REFRESH_IDLE_SECONDS": "3601"}, ["2.2.3"]),
        ({"REFRESH_ABSOLUTE_SECONDS": "86401"}, ["2.2.3"]),
    ],
    ids=str,
)
def test_a_setting_that_falls_short_is_named(settings: dict[str, str], numbers: list[str]) -> None:
    both = asvs.REQUIREMENTS + nist.REQUIREMENTS
    assert {name.split()[0] for name in unmet(both, **WELL | settings) - unmet(both, **WELL)} == set(numbers)


@pytest.mark.parametrize(
    "settings",
    [
        {"DATABASE_URL": "sqlite:////tmp/latchkey.db"},
        {"DATABASE_URL": "postgresql://127.0.0.1/latchkey", "REDIS_URL": "unix:///run/redis.sock"},
        {"DATABASE_URL": "mysql://db.example.com/latchkey?ssl_ca=/etc/ca.pem"},
        {"DATABASE_URL": "", "MONGO_URI": "mongodb://a.example.com,b.example.com/?tls=true"},
        {"DATABASE_URL": "", "MONGO_URI": "mongodb+srv://db.example.com"},
        {"PASSWORD_HASH": "argon2id"},
        {"BREACHED_PASSWORDS_FILE": "", "PASSWORD_BREACH_CHECK": "https://range.example.com"},
    ],
    ids=str,
)
def test_what_is_as_good_is_met(settings: dict[str, str]) -> None:
    assert unmet(asvs.REQUIREMENTS, **WELL | settings) == unmet(asvs.REQUIREMENTS, **WELL)


def test_the_audit_chain_counts_while_it_is_sealed_daily() -> None:
    of_chain = [
        judged(asvs.REQUIREMENTS, {}, days)["16.4.2 Audit events cannot be changed unnoticed"]
        for days in (None, 0, 1, 2)
    ]
    assert of_chain == ["not judged", "met", "met", "not met"]


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("profile", ["asvs-l2", "nist-aal2"])
def test_the_command_prints_every_requirement_and_exits_with_1_while_one_is_not_met(
    profile: str, flask: Callable[..., Result]
) -> None:
    requirements = {"asvs-l2": asvs.REQUIREMENTS, "nist-aal2": nist.REQUIREMENTS}[profile]
    lines = flask("doctor", "--profile", profile)
    objects = flask("doctor", "--profile", profile, "--json")

    assert (lines.exit_code, objects.exit_code) == (1, 1)
    *found, summary = lines.stdout.splitlines()
    assert [line[16:].split()[0] for line in found] == [each.number for each in requirements]
    assert " not met" in summary
    parsed = [json.loads(line) for line in objects.stdout.splitlines()]
    assert [(each["number"], each["requirement"]) for each in parsed] == [
        (each.number, each.text) for each in requirements
    ]
    assert all(each["evidence"] for each in parsed)
    assert SETTINGS["SECRET_KEY"] not in lines.output + objects.output


@pytest.mark.usefixtures("prepared")
def test_the_command_exits_with_0_once_all_are_met(
    flask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    met = (Requirement("1", "It is so", always(1)),)
    monkeypatch.setattr("app.operations.comparison.STANDARDS", {"asvs-l2": met})

    assert flask("doctor", "--profile", "asvs-l2").exit_code == 0


@pytest.mark.usefixtures("prepared")
def test_the_last_checkpoint_is_read_from_the_store(
    flask: Callable[..., Result], fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = flask("users", "create", "--username", "ann", "--password-stdin", input="a good long password")
    assert made.exit_code == 0
    wired = wiring.build(config.load(SETTINGS | {"DATABASE_URL": f"sqlite:///{fresh}"}, dotenv=None))
    wired.get(Sealing).run()
    wired.close()
    sealed = flask("doctor", "--profile", "asvs-l2").stdout
    monkeypatch.setattr("app.operations.comparison.now", lambda: now() + timedelta(days=3))
    late = flask("doctor", "--profile", "asvs-l2").stdout

    assert "\nmet             16.4.2   Audit events cannot be changed unnoticed: the last checkpoint" in sealed
    assert "\nnot met         16.4.2   Audit events cannot be changed unnoticed: the last checkpoint" in late


def test_a_store_that_does_not_answer_ends_it_with_a_message(flask: Callable[..., Result]) -> None:
    away = f"postgresql://latchkey@127.0.0.1:{free_port()}/latchkey"
    result = flask("doctor", "--profile", "asvs-l2", DATABASE_URL=away)

    assert result.exit_code == 1
    assert "PostgreSQL does not answer" in result.stderr
