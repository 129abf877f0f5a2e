"""`flask users` makes and lists users."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.api.service import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

CREATE = ("users", "create", "--password", PASSWORD)


def listed(flask: Callable[..., Result], *arguments: str) -> list[list[str]]:
    result = flask("users", "list", *arguments)
    assert result.exit_code == 0, result.output
    return [line.split("\t") for line in result.stdout.splitlines()]


@pytest.mark.usefixtures("prepared")
def test_a_user_is_made_and_shown(flask: Callable[..., Result]) -> None:
    made = flask(*CREATE, "--email", " Ann@Example.com ", "--username", "Ann", "--name", "Ann Example")

    assert made.exit_code == 0, made.output
    ((identifier, *rest),) = listed(flask)
    assert made.stdout == f"{identifier}  Ann@example.com  member\n"
    assert "user.registered" in made.stderr
    assert rest == ["active", "Ann@example.com", "Ann", "member"]


@pytest.mark.usefixtures("prepared")
def test_a_user_gets_the_roles_that_are_named_or_those_of_the_setting(flask: Callable[..., Result]) -> None:
    assert flask(*CREATE, "--username", "boss", "--role", "admin").stdout.endswith("boss  admin\n")
    assert flask(*CREATE, "--username", "both", "--role", "admin", "--role", "member").stdout.endswith(
        "admin, member\n"
    )
    assert flask(*CREATE, "--username", "ann", DEFAULT_ROLES="admin").stdout.endswith("ann  admin\n")
    refused = flask(*CREATE, "--username", "bob", "--role", "wizard")
    assert refused.exit_code == 2
    assert "'admin', 'member'" in refused.output


def test_the_first_user_may_come_before_the_first_start(flask: Callable[..., Result]) -> None:
    assert flask(*CREATE, "--username", "boss", "--role", "admin").exit_code == 0
    assert [row[3:] for row in listed(flask)] == [["boss", "admin"]]


@pytest.mark.usefixtures("prepared")
def test_the_password_is_asked_for_twice_and_not_shown(flask: Callable[..., Result]) -> None:
    made = flask("users", "create", "--username", "ann", input=f"{PASSWORD}\n{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    assert PASSWORD not in made.output

    refused = flask("users", "create", "--username", "bob", input=f"{PASSWORD}\nanother one\n")
    assert refused.exit_code == 1
    assert len(listed(flask)) == 1


@pytest.mark.usefixtures("prepared")
def test_everything_that_is_wrong_is_told_and_nothing_is_made(flask: Callable[..., Result]) -> None:
    refused = flask("users", "create", "--email", "no address", "--username", "a", "--password", "planted")

    assert refused.exit_code == 1
    assert refused.stderr.splitlines() == [
        "Error: Some values are wrong.",
        "  email: This is not an e-mail address this service can write to.",
        "  username: A user name has at least 3 characters.",
        "  password: A password has at least 10 characters.",
    ]
    assert "planted" not in refused.output
    assert listed(flask) == []


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "An e-mail address or a user name is required."),
        (("--username", "", "--email", ""), "An e-mail address or a user name is required."),
        (("--username", "ann-bell-2026", "--password", "ann-bell-2026"), "must not be your own"),
        (("--username", "ann", "--password", "password123"), "among the most used ones"),
        (("--username", "ann", "--name", "a\x1b[31m"), "no control characters"),
        (("--username", "admin"), "This user name is taken."),
        (("--username", "ann", "--name", "\udcff\udcfe"), "not UTF-8"),
        (("--username", "ann", "--password", "planted \udcff horse battery"), "not UTF-8"),
    ],
)
def test_what_a_registration_would_refuse_is_refused(
    arguments: tuple[str, ...], message: str, flask: Callable[..., Result]
) -> None:
    refused = flask(*CREATE, *arguments)

    assert refused.exit_code == 1
    assert isinstance(refused.exception, SystemExit)
    assert message in refused.stderr
    assert "planted" not in refused.output


@pytest.mark.usefixtures("prepared")
def test_the_length_of_a_password_is_that_of_the_setting_and_either_name_will_do(flask: Callable[..., Result]) -> None:
    create = ("users", "create", "--username", "ann", "--password", "a-b-c-d-")

    assert flask(*create).exit_code == 1
    assert flask(*create, PASSWORD_MIN_LENGTH="8", REGISTRATION_REQUIRES="email").exit_code == 0


@pytest.mark.usefixtures("prepared")
def test_a_taken_name_is_told(flask: Callable[..., Result]) -> None:
    flask(*CREATE, "--username", "ann", "--email", "ann@example.com")

    assert flask(*CREATE, "--username", "ANN").stderr == "Error: This user name is taken.\n"
    assert "already exists" in flask(*CREATE, "--email", "ANN@example.com").stderr


@pytest.mark.usefixtures("prepared")
def test_a_list_goes_on_where_it_ended(flask: Callable[..., Result]) -> None:
    for name in ("ann", "bob", "eve"):
        flask(*CREATE, "--username", name)

    first = listed(flask, "--limit", "2")
    rest = listed(flask, "--limit", "2", "--after", first[-1][0])

    assert [row[3] for row in first + rest] == ["ann", "bob", "eve"]
    assert all(row[2] == "-" for row in first)
    assert listed(flask, "--after", "z") == []
    assert flask("users", "list", "--limit", "0").exit_code == 2


def test_a_store_that_does_not_answer_is_told_in_one_line(flask: Callable[..., Result], fresh: Path) -> None:
    refused = flask("users", "list")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: SQLite does not answer: (sqlite3.OperationalError) unable to open database file\n"
    assert not fresh.exists()


@pytest.mark.parametrize("command", [("users", "list"), ("keys", "list"), ("keys", "rotate"), ("keys", "retire", "x")])
def test_a_database_without_tables_is_told_in_one_line(
    command: tuple[str, ...], flask: Callable[..., Result], fresh: Path
) -> None:
    fresh.parent.mkdir()
    fresh.touch()
    refused = flask(*command)

    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: SQLite: it refuses what it is asked (no such table: ")
    assert refused.stderr.endswith("flask doctor\n")


@pytest.mark.usefixtures("prepared")
def test_a_store_of_a_later_version_is_told_in_one_line(flask: Callable[..., Result], fresh: Path) -> None:
    with closing(sqlite3.connect(fresh)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    refused = flask(*CREATE, "--username", "ann")

    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: SQLite: the database's schema is at revision 9999")
    assert refused.stderr.count("\n") == 1
