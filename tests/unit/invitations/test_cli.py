"""`flask users` makes, lists and rescues users."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from app import wired_of
from app.accounts.login_name import LoginName
from app.invitations.service import Answer, InvitationService
from app.platform.devices import Device
from app.platform.errors import Failure, TooManyRequests
from app.recovery.reset import ResetService
from app.security.passwords import PasswordHasher
from app.sessions.login import LoginService
from tests.api.service import PASSWORD, SETTINGS
from tests.servers.service import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

CONTROL_C = "\x03"
HERE = Device("192.0.2.1", "curl/8.5.0")
CREATE = ("users", "create", "--password-stdin")


def create(flask: Callable[..., Result], *arguments: str, password: str = PASSWORD, **settings: str) -> Result:
    """Run `flask users create` with the password on the standard input."""
    return flask(*CREATE, *arguments, input=f"{password}\n", **settings)


def at_a_terminal(database: Path, command: tuple[str, ...], answers: list[str]) -> tuple[str, int]:
    """Runs the command in a terminal and answers its prompts; returns the output and the exit status."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, **SETTINGS, "DATABASE_URL": f"sqlite:///{database}", "PYTHONPATH": str(ROOT)}
    program = ["setsid", "--ctty", "--wait", sys.executable, "-m", "flask", "--app", "app", *command]
    with subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=ROOT) as process:
        os.close(theirs)
        shown = ""
        with suppress(OSError):  # the terminal has gone, and the program with it
            for answer in (*answers, None):
                asked = len(shown)
                while answer is None or ": " not in shown[asked:]:
                    shown += os.read(ours, 1024).decode()
                os.write(ours, f"{answer}\n".encode())
        os.close(ours)
    return shown, process.returncode


def listed(flask: Callable[..., Result], *arguments: str) -> list[list[str]]:
    result = flask("users", "list", *arguments)
    assert result.exit_code == 0, result.output
    return [line.split("\t") for line in result.stdout.splitlines()]


@pytest.mark.usefixtures("prepared")
def test_a_user_is_made_and_shown(flask: Callable[..., Result]) -> None:
    made = create(flask, "--email", " Ann@Example.com ", "--username", "Ann", "--name", "Ann Example")

    assert made.exit_code == 0, made.output
    ((identifier, *rest),) = listed(flask)
    assert made.stdout == f"{identifier}  Ann@example.com  member\n"
    assert '"action":"user.created"' in made.stderr
    assert '"by":"command"' in made.stderr
    assert rest == ["active", "Ann@example.com", "Ann", "member"]


@pytest.mark.usefixtures("prepared")
def test_a_user_gets_the_roles_that_are_named_or_those_of_the_setting(flask: Callable[..., Result]) -> None:
    assert create(flask, "--username", "boss", "--role", "admin").stdout.endswith("boss  admin\n")
    assert create(flask, "--username", "both", "--role", "admin", "--role", "member").stdout.endswith("admin, member\n")
    assert create(flask, "--username", "ann", DEFAULT_ROLES="admin").stdout.endswith("ann  admin\n")
    refused = create(flask, "--username", "bob", "--role", "wizard")
    assert refused.exit_code == 1
    assert "There is no role wizard; the roles are admin, member." in refused.output
    assert flask("roles", "load").exit_code == 0
    assert create(flask, "--username", "bob", "--role", "student").stdout.endswith("bob  student\n")


def test_the_first_user_may_come_before_the_first_start(flask: Callable[..., Result]) -> None:
    assert create(flask, "--username", "boss", "--role", "admin").exit_code == 0
    assert [row[3:] for row in listed(flask)] == [["boss", "admin"]]


@pytest.mark.usefixtures("prepared")
def test_a_terminal_prompts_twice_for_the_password_and_does_not_show_it(fresh: Path) -> None:
    command = ("users", "create", "--username", "ann", "--json")
    shown, status = at_a_terminal(fresh, command, answers=[PASSWORD, PASSWORD])
    assert status == 0, shown
    assert PASSWORD not in shown
    assert '"username": "ann"' in shown

    shown, status = at_a_terminal(fresh, command, answers=[PASSWORD, "another one", CONTROL_C])
    assert "do not match" in shown
    assert status != 0


@pytest.mark.usefixtures("prepared")
def test_a_password_is_no_argument(flask: Callable[..., Result]) -> None:
    assert flask("users", "create", "--username", "ann", "--password", "planted").exit_code == 2
    assert listed(flask) == []


def set_password(flask: Callable[..., Result], link: str, password: str = PASSWORD) -> str:
    """Open a link that a command printed, and set the password; the status of the user afterwards, or the failure."""
    page, _, token = link.partition("#")
    wired = wired_of(flask.app())  # type: ignore[attr-defined]
    try:
        if page == "http://localhost:5000/invitation":
            invitations = wired.get(InvitationService)
            return invitations.accept(invitations.redeemable(token=token), Answer(password), HERE).user.status
        assert page == "http://localhost:5000/reset-password"
        wired.get(ResetService).redeem(password, HERE, token=token)
    except Failure as failure:
        return failure.code
    return "set"


@pytest.mark.parametrize("names", [("--username", "boss"), ("--email", "boss@example.com")])
def test_without_a_password_a_link_is_printed_that_works_once(
    flask: Callable[..., Result], names: tuple[str, str]
) -> None:
    made = flask("users", "create", *names, "--role", "admin", input="")
    assert made.exit_code == 0, made.output
    row, link = made.stdout.splitlines()
    assert row.split("\t")[1] == "invited"
    assert link not in made.stderr
    assert flask("db", "upgrade").exit_code == 0  # as the first start does
    assert set_password(flask, link) == "active"
    assert set_password(flask, link) == "invalid_code"
    assert [row[1] for row in listed(flask)] == ["active"]
    assert set_password(flask, json.loads(flask("users", "rescue", names[1], "--json").stdout)["link"]) == "set"


@pytest.mark.usefixtures("prepared")
def test_at_a_terminal_no_password_means_a_link(fresh: Path) -> None:
    shown, status = at_a_terminal(fresh, ("users", "create", "--username", "ann"), answers=[""])
    assert status == 0, shown
    assert "http://localhost:5000/invitation#" in shown


@pytest.mark.usefixtures("prepared")
def test_programs_get_the_link_as_json(flask: Callable[..., Result]) -> None:
    made = json.loads(flask("users", "create", "--username", "ann", "--json").stdout)
    assert (made["status"], made["username"]) == ("invited", "ann")
    again = json.loads(flask("users", "rescue", made["id"], "--json").stdout)
    assert again["link"] == made["link"]
    assert set_password(flask, made["link"]) == "active"


@pytest.mark.usefixtures("prepared")
def test_who_is_locked_out_is_rescued(flask: Callable[..., Result]) -> None:
    create(flask, "--username", "ann", "--email", "ann@example.com")
    create(flask, "--username", "boss", "--role", "admin")
    wired = wired_of(flask.app())  # type: ignore[attr-defined]
    for _ in range(30):
        with suppress(Failure):
            wired.get(LoginService).login(LoginName("username", "ann"), "wrong password", HERE)
    with pytest.raises(TooManyRequests):
        wired.get(LoginService).login(LoginName("username", "ann"), PASSWORD, HERE)
    assert flask("users", "disable", "ann").exit_code == 0

    first = flask("users", "rescue", "ann@example.com").stdout.splitlines()[-1]
    row, link = flask("users", "rescue", "ann").stdout.splitlines()
    assert row.split("\t")[1] == "active"
    assert wired.get(LoginService).login(
        LoginName("username", "ann"), PASSWORD, HERE
    )  # unlocked, and the password stays
    new = "another good long password"
    assert set_password(flask, first, new) == "invalid_code"  # the later link replaced it
    assert set_password(flask, link, new) == "set"
    assert set_password(flask, link, new) == "invalid_code"
    user = wired.get(LoginService).login(LoginName("username", "ann"), new, HERE).user
    assert user.email_verified is False  # a link that was handed over proves no address


@pytest.mark.usefixtures("prepared")
def test_nobody_is_rescued_who_is_not_there(flask: Callable[..., Result]) -> None:
    refused = flask("users", "rescue", "nobody@example.com")
    assert (refused.exit_code, refused.stderr) == (1, "Error: There is no user nobody@example.com.\n")


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("typed", "password"),
    [
        (f"{PASSWORD}", PASSWORD),
        (f"{PASSWORD}\r\n", PASSWORD),
        (f"\ufeff{PASSWORD}\n", PASSWORD),
        (f"  {PASSWORD} \n", f"  {PASSWORD} "),
    ],
)
def test_the_password_from_standard_input_is_used_unchanged_except_for_its_line_end(
    typed: str, password: str, flask: Callable[..., Result], fresh: Path
) -> None:
    assert flask(*CREATE, "--username", "ann", input=typed).exit_code == 0
    with closing(sqlite3.connect(fresh)) as connection:
        ((kept,),) = connection.execute("SELECT password_hash FROM users").fetchall()
    assert PasswordHasher("bcrypt", 4).verify(password, kept)


@pytest.mark.usefixtures("prepared")
def test_a_second_line_of_input_is_refused(flask: Callable[..., Result]) -> None:
    refused = flask(*CREATE, "--username", "ann", input=f"{PASSWORD}\nplanted\n")
    assert (refused.exit_code, listed(flask)) == (1, [])
    assert "planted" not in refused.output


@pytest.mark.usefixtures("prepared")
def test_programs_get_json(flask: Callable[..., Result]) -> None:
    made = json.loads(create(flask, "--username", "ann", "--role", "admin", "--json").stdout)
    assert (made["username"], made["email"], made["roles"], made["status"]) == ("ann", None, ["admin"], "active")
    assert [json.loads(line) for line in flask("users", "list", "--json").stdout.splitlines()] == [made]


@pytest.mark.usefixtures("prepared")
def test_all_errors_are_reported_and_nothing_is_made(flask: Callable[..., Result]) -> None:
    refused = create(flask, "--email", "no address", "--username", "a", password="planted")

    assert refused.exit_code == 1
    assert refused.stderr.splitlines() == [
        "Error: Some values are wrong.",
        "  email: This is not an e-mail address that this service can send mail to.",
        "  username: A user name has at least 3 characters.",
        "  password: A password has at least 10 characters.",
    ]
    assert "planted" not in refused.output
    assert listed(flask) == []


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("arguments", "password", "message"),
    [
        ((), PASSWORD, "An e-mail address or a user name is required."),
        (("--username", "", "--email", ""), PASSWORD, "An e-mail address or a user name is required."),
        (("--username", "ann-bell-2026"), "ann-bell-2026", "must not be your own"),
        (("--username", "ann"), "password123", "among the most used ones"),
        (("--username", "ann", "--name", "a\x1b[31m"), PASSWORD, "no control characters"),
        (("--username", "admin"), PASSWORD, "This user name is taken."),
        (("--username", "ann", "--name", "\udcff\udcfe"), PASSWORD, "not UTF-8"),
        (("--username", "ann"), b"planted \xff horse battery", "not UTF-8"),
    ],
)
def test_what_a_registration_would_refuse_is_refused(
    arguments: tuple[str, ...], password: str | bytes, message: str, flask: Callable[..., Result]
) -> None:
    refused = flask(*CREATE, *arguments, input=password)

    assert refused.exit_code == 1
    assert isinstance(refused.exception, SystemExit)
    assert message in refused.stderr
    assert "planted" not in refused.output


@pytest.mark.usefixtures("prepared")
def test_the_setting_decides_the_length_of_a_password_and_either_name_is_enough(flask: Callable[..., Result]) -> None:
    settings = {"PASSWORD_MIN_LENGTH": "8", "REGISTRATION_REQUIRES": "email"}

    assert create(flask, "--username", "ann", password="a-b-c-d-").exit_code == 1
    assert create(flask, "--username", "ann", password="a-b-c-d-", **settings).exit_code == 0


@pytest.mark.usefixtures("prepared")
def test_a_taken_name_is_reported(flask: Callable[..., Result]) -> None:
    create(flask, "--username", "ann", "--email", "ann@example.com")

    assert create(flask, "--username", "ANN").stderr == "Error: This user name is taken.\n"
    assert "already exists" in create(flask, "--email", "ANN@example.com").stderr


@pytest.mark.usefixtures("prepared")
def test_a_list_continues_where_it_ended(flask: Callable[..., Result]) -> None:
    for name in ("ann", "bob", "eve"):
        create(flask, "--username", name)

    first = listed(flask, "--limit", "2")
    rest = listed(flask, "--limit", "2", "--after", first[-1][0])

    assert [row[3] for row in first + rest] == ["ann", "bob", "eve"]
    assert all(row[2] == "-" for row in first)
    assert listed(flask, "--after", "z") == []
    assert flask("users", "list", "--limit", "0").exit_code == 2


def test_a_store_that_does_not_answer_is_reported_in_one_line(flask: Callable[..., Result], fresh: Path) -> None:
    refused = flask("users", "list")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: SQLite does not answer: unable to open database file\n"
    assert not fresh.exists()


def test_a_database_that_cannot_be_made_is_reported_in_one_line(flask: Callable[..., Result], fresh: Path) -> None:
    fresh.parent.write_text("a file where a folder would be")
    refused = create(flask, "--username", "ann")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[-1].startswith("Error: SQLite cannot be made ready (")


@pytest.mark.parametrize("command", [("users", "list"), ("keys", "list"), ("keys", "rotate"), ("keys", "retire", "x")])
def test_a_database_without_tables_is_reported_in_one_line(
    command: tuple[str, ...], flask: Callable[..., Result], fresh: Path
) -> None:
    fresh.parent.mkdir()
    fresh.touch()
    refused = flask(*command)

    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: SQLite: it refuses what it is asked (no such table: ")
    assert refused.stderr.endswith("flask doctor\n")


@pytest.mark.usefixtures("prepared")
def test_a_store_of_a_later_version_is_reported_in_one_line(flask: Callable[..., Result], fresh: Path) -> None:
    with closing(sqlite3.connect(fresh)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    refused = create(flask, "--username", "ann")

    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: SQLite: the database's schema is at revision 9999")
    assert refused.stderr.count("\n") == 1
