"""`flask users` and `flask sessions`: what the operator does to users."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app import wired_of
from app.accounts.login_name import LoginName
from app.audit.model import Events
from app.mail.maildir import newest
from app.outbox.service import Outbox
from app.platform.devices import Device
from app.platform.errors import AccountDisabled, InvalidCredentials, TooManyRequests
from app.sessions.login import LoginService
from tests.api.service import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from app.wiring import Wired

HERE = Device("192.0.2.1", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")


class Operator:
    """Runs commands on a database with Ann, a member, and an administrator."""

    def __init__(self, flask: Callable[..., Result]) -> None:
        self.flask = flask
        self.ann = self.facts("users", "create", "--username", "ann", "--email", "ann@example.com", "--password-stdin")
        self.boss = self.facts("users", "create", "--username", "boss", "--role", "admin", "--password-stdin")

    def facts(self, *command: str) -> dict[str, Any]:
        result = self.flask(*command, "--json", input=PASSWORD)
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def refused(self, *command: str) -> str:
        result = self.flask(*command)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)
        assert result.stderr.startswith("Error: ")
        return result.stderr

    @property
    def wired(self) -> Wired:
        return wired_of(self.flask.app())  # type: ignore[attr-defined]

    def log_in(self, password: str = PASSWORD) -> str:
        """Log Ann in; the identifier of her user."""
        return self.wired.get(LoginService).login(LoginName("username", "ann"), password, HERE).user.id

    def events(self) -> list[str]:
        """What was done to Ann, and none of it by a user."""
        found = self.wired.get(Events).page_of(self.ann["id"], before=None, limit=50)
        assert {event.actor_id for event in found} == {None}
        return [event.action for event in found]


@pytest.fixture
def operator(flask: Callable[..., Result], prepared: None) -> Operator:
    del prepared
    return Operator(flask)


def test_a_user_is_shown_by_identifier_address_or_user_name(operator: Operator) -> None:
    shown = [operator.facts("users", "show", name) for name in (operator.ann["id"], "ANN@example.com", "Ann")]
    assert shown == [operator.ann | {"permissions": [], "last_login_at": None}] * 3
    assert "users:write" in operator.facts("users", "show", "boss")["permissions"]
    lines = operator.flask("users", "show", "ann").stdout.splitlines()
    assert {"email: ann@example.com", "email_verified: no", "roles: member", "name: -"} <= set(lines)


def test_a_user_who_is_not_there_is_reported(operator: Operator) -> None:
    for name in ("nobody", "nobody@example.com", "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a", "", "a b"):
        assert operator.refused("users", "show", name) == f"Error: There is no user {name}.\n"
    for command in ("disable", "enable", "unlock", "delete", "set-roles", "reset-password", "rescue"):
        assert operator.refused("users", command, "nobody") == "Error: There is no user nobody.\n"


def test_a_user_is_disabled_and_enabled(operator: Operator) -> None:
    assert operator.facts("users", "disable", "ann")["status"] == "disabled"
    assert operator.facts("users", "disable", "ann")["status"] == "disabled"
    with pytest.raises(AccountDisabled):
        operator.log_in()
    assert operator.facts("users", "enable", "ann")["status"] == "active"
    operator.log_in()
    assert operator.events() == ["session.opened", "user.enabled", "user.disabled", "user.created"]


def test_a_user_who_has_to_wait_is_unlocked(operator: Operator) -> None:
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            operator.log_in("wrong password")
    with pytest.raises(TooManyRequests):
        operator.log_in()
    assert operator.facts("users", "unlock", "ann")["status"] == "active"
    operator.log_in()
    assert operator.events()[:2] == ["session.opened", "user.unlocked"]


def test_a_user_is_deleted_if_that_is_meant(operator: Operator) -> None:
    assert operator.flask("users", "delete", "ann", input="n\n").exit_code == 1
    assert operator.facts("users", "show", "ann")["status"] == "active"
    assert operator.facts("users", "delete", "ann", "--yes") == {"deleted": [operator.ann["id"]]}
    assert "There is no user ann" in operator.refused("users", "show", "ann")


def test_roles_are_set_by_name(operator: Operator) -> None:
    assert operator.facts("users", "set-roles", "ann", "member", "admin", "member")["roles"] == ["member", "admin"]
    assert operator.facts("users", "set-roles", "ann")["roles"] == []
    assert "There is no role wizard." in operator.refused("users", "set-roles", "ann", "wizard")
    assert operator.events() == ["roles.changed", "roles.changed", "user.created"]


def test_the_last_administrator_stays(operator: Operator) -> None:
    for command in (("disable", "boss"), ("delete", "boss", "--yes"), ("set-roles", "boss", "member")):
        assert "without an administrator" in operator.refused("users", *command)
    operator.facts("users", "set-roles", "ann", "admin")
    assert operator.facts("users", "set-roles", "boss", "member")["roles"] == ["member"]


def test_a_reset_is_mailed_and_where_it_cannot_be_it_is_said(operator: Operator, tmp_path: Path) -> None:
    mails = tmp_path / "mail"
    result = operator.flask("users", "reset-password", "ann", MAIL_DIR=str(mails))
    assert result.exit_code == 0
    operator.wired.get(Outbox).deliver_due()
    assert "Set a new password" in {mail.subject for mail in newest(mails, 10)}
    assert "no e-mail address" in operator.refused("users", "reset-password", "boss")


def test_sessions_are_listed_and_ended(operator: Operator) -> None:
    assert operator.flask("sessions", "list", "ann").stdout == ""
    operator.log_in()
    operator.log_in()
    listed = [json.loads(line) for line in operator.flask("sessions", "list", "ann", "--json").stdout.splitlines()]
    assert [(session["device"], session["ip"]) for session in listed] == [("Firefox on Linux", "192.0.2.1")] * 2
    first, second = (session["id"] for session in listed)
    assert operator.facts("sessions", "end", "ann", first) == {"ended": [first]}
    assert f"no session {first}" in operator.refused("sessions", "end", "ann", first)
    assert operator.flask("sessions", "list", "ann").stdout.split("\t")[0] == second
    assert operator.facts("sessions", "end", "ann") == {"ended": "all"}
    assert operator.flask("sessions", "list", "ann").stdout == ""
    assert operator.events()[:2] == ["user.logged_out", "session.ended"]
    assert "no session" in operator.refused("sessions", "end", "boss", second)
