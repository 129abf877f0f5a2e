"""The table of events: what each audit action is told as, and what its data says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.accounts.account import Account
from app.accounts.model import User
from app.accounts.principal import Principal
from app.accounts.publisher import Change
from app.webhooks.events import CAUSES, EVENTS, body, data_of
from tests.contract.entities import an_impersonation

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANN = Account(User("ann", "ann@example.com", False, "ann", "Ann", ("member",), "active", NOW), "hash", revision=4)  # noqa: FBT003 - a field
ADMIN = replace(ANN.user, id="admin")


def told(
    action: str,
    after: Account,
    before: Account | None = ANN,
    by: Principal | None = None,
    details: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """What is told of an action, by event."""
    change, cause = Change([action], before, after, by, details or {}), CAUSES[action]
    found = {event: data_of(event, cause, change) for event in cause.events}
    return {event: data for event, data in found.items() if data is not None}


def test_every_event_has_a_cause_and_every_cause_an_event() -> None:
    assert {event for cause in CAUSES.values() for event in cause.events} == EVENTS.keys()


def test_a_new_user_is_shown_as_administrators_see_them() -> None:
    data = told("user.registered", ANN, None)["user.created"]
    assert data["version"] == 0
    assert data["user"] == {
        "id": "ann",
        "email": "ann@example.com",
        "email_verified": False,
        "username": "ann",
        "name": "Ann",
        "status": "active",
        "roles": ["member"],
    }


@pytest.mark.parametrize("action", ["password.changed", "user.disabled", "user.deleted", "sessions.ended_all"])
def test_what_does_not_need_the_address_does_not_have_it(action: str) -> None:
    for event, data in told(action, ANN.in_new_epoch()).items():
        assert data["user"] == {"id": "ann"}, event
        assert "ann@example.com" not in json.dumps(data)


def test_the_version_is_that_of_the_account_behind_the_change() -> None:
    assert told("name.changed", ANN.with_user(name="Anne"))["user.updated"]["version"] == 5


def test_an_update_names_what_changed_and_is_not_told_if_nothing_did() -> None:
    assert told("name.changed", ANN.with_user(name=None))["user.updated"]["fields"] == ["name"]
    assert told("name.changed", ANN) == {}
    assert told("user.updated", ANN.with_user(email="b@example.com", email_verified=True)).keys() == {
        "email.changed",
        "user.verified",
        "user.updated",
    }


def test_a_first_proof_is_told_and_a_second_one_is_not() -> None:
    proven = ANN.with_user(email_verified=True)
    assert told("password.reset", proven).keys() == {
        "password.changed",
        "session.revoked",
        "user.verified",
        "user.updated",
    }
    assert told("password.reset", proven, proven).keys() == {"password.changed", "session.revoked"}


def test_roles_are_told_by_what_was_added_and_removed() -> None:
    data = told("roles.changed", ANN.with_user(roles=("editor", "admin")))["role.changed"]
    assert (data["added"], data["removed"], data["roles"]) == (["admin", "editor"], ["member"], ["editor", "admin"])
    assert told("roles.changed", ANN) == {}


def test_only_an_account_that_was_deleted_is_restored() -> None:
    assert "user.restored" not in told("email.undone", ANN.with_user(email="b@example.com"))
    assert "user.restored" in told("email.undone", ANN, ANN.with_user(status="deleted"))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("sessions.ended_all", ("all", None)),
        ("sessions.ended_others", ("others", "kept")),
        ("password.changed", ("others", "kept")),
        ("session.ended", ("one", "ended")),
    ],
)
def test_the_end_of_sessions_says_which(action: str, expected: tuple[str, str | None]) -> None:
    after = ANN.in_new_epoch(keep="kept" if expected[1] == "kept" else None)
    data = told(action, after, details={"session_id": "ended"} if expected[0] == "one" else None)["session.revoked"]
    assert (data["scope"], data.get("session")) == expected


def test_who_did_it_is_told() -> None:
    own = Principal(ANN.user, "s", NOW, NOW)
    admin = Principal(ADMIN, "s", NOW, NOW)
    acting = replace(own, kind="impersonation", impersonation=an_impersonation(actor_id="admin"))
    for by, expected in (
        (own, {"kind": "user"}),
        (admin, {"kind": "administrator", "id": "admin"}),
        (acting, {"kind": "administrator", "id": "admin"}),
        (None, {"kind": "user"}),
    ):
        assert told("name.changed", ANN.with_user(name=None), by=by)["user.updated"]["actor"] == expected
    assert told("user.disabled", ANN)["user.disabled"]["actor"] == {"kind": "system"}


def test_an_api_key_is_told_by_its_identifier() -> None:
    assert told("api_key.leaked", ANN, details={"key": "k"})["api_key.deleted"]["api_key"] == {"id": "k"}


def test_a_body_is_ascii_and_its_time_is_in_utc() -> None:
    text = body("user.created", {"name": "Ann \u00fc\x00\ud800"}, NOW)
    assert text.isascii()
    assert json.loads(text) == {
        "type": "user.created",
        "timestamp": "2026-01-31T12:00:00.000Z",
        "data": {"name": "Ann \u00fc\x00\ud800"},
    }
