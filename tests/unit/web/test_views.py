"""What is shown of things is what the contract says, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.accounts.directory import UserPage
from app.accounts.model import User
from app.accounts.views import UserData, UserList
from app.features import PERMISSIONS
from app.health.views import Health, Ping
from app.keys.views import KeySet
from app.platform.errors import FieldError, ValidationFailed
from app.sessions.session_tokens import OpenedSession
from app.sessions.views import TokenPair
from app.web.cursors import cursor_behind
from app.web.problem_views import Problem, ProblemDetails
from app.web.view import Success, envelope
from tests.contract.entities import a_session

if TYPE_CHECKING:
    from pydantic import BaseModel

ANN = User(
    id="019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a",
    email="ann@example.com",
    email_verified=False,
    username="ann",
    name="Ann Example",
    roles=("member",),
    status="active",
    created_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
)
SHOWN = {
    "id": ANN.id,
    "email": "ann@example.com",
    "email_verified": False,
    "username": "ann",
    "name": "Ann Example",
    "roles": ["member"],
    "permissions": [],
    "created_at": "2026-01-31T12:00:00Z",
    "last_login_at": None,
}


def permissions_of(roles: tuple[str, ...]) -> frozenset[str]:
    return PERMISSIONS if "admin" in roles else frozenset()


def as_json(view: BaseModel) -> Any:
    return json.loads(view.model_dump_json())


def test_a_user_is_shown_without_anything_internal() -> None:
    assert as_json(UserData.of(ANN, frozenset())) == {"user": SHOWN}


def test_an_administrator_is_shown_with_all_permissions_in_order() -> None:
    shown = as_json(UserData.of(dataclasses.replace(ANN, roles=("admin", "member")), PERMISSIONS))["user"]

    assert shown["roles"] == ["admin", "member"]
    assert shown["permissions"] == sorted(PERMISSIONS)


def test_times_are_rfc_3339_in_utc() -> None:
    login = datetime(2026, 1, 31, 12, 0, 1, 250_000, tzinfo=UTC)
    shown = as_json(UserData.of(dataclasses.replace(ANN, last_login_at=login), frozenset()))["user"]

    assert shown["last_login_at"] == "2026-01-31T12:00:01.250000Z"
    assert as_json(Health(message="OK", timestamp=login)) == {
        "status": "success",
        "message": "OK",
        "timestamp": "2026-01-31T12:00:01.250000Z",
    }


@pytest.mark.parametrize(("whole", "shown"), [(True, SHOWN), (False, {"id": ANN.id, "username": "ann"})])
def test_a_page_shows_users_whole_or_by_name_only(whole: bool, shown: dict[str, Any]) -> None:  # noqa: FBT001 - by pytest
    page = as_json(UserList.of(UserPage([ANN, ANN], ANN.id, whole), permissions_of))

    assert page == {"users": [shown, shown], "next": cursor_behind(ANN.id)}


@pytest.mark.parametrize("whole", [True, False])
def test_an_empty_page_has_no_next_one(whole: bool) -> None:  # noqa: FBT001 - by pytest
    assert as_json(UserList.of(UserPage([], None, whole), permissions_of)) == {
        "users": [],
        "next": None,
    }


def test_the_tokens_of_a_session_also_come_under_the_name_that_the_oldest_clients_read() -> None:
    opened = OpenedSession(ANN, "access", 900, "refresh", 2_592_000, frozenset(), a_session(ANN))
    assert as_json(TokenPair.of(opened)) == {
        "access_token": "access",
        "token": "access",
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": "refresh",
        "refresh_expires_in": 2_592_000,
        "user": SHOWN,
    }


@pytest.mark.parametrize("message", [None, "OK", 'a "quoted" \\ line\n\u2028 of é and 😀'])
def test_the_envelope_that_is_written_is_the_one_that_is_documented(message: str | None) -> None:
    before, behind = envelope(message)
    view = UserData.of(ANN, frozenset())

    written = before + view.model_dump_json().encode() + behind

    assert Success[UserData].model_validate_json(written) == Success(message=message, data=view)
    assert ("message" in json.loads(written)) == (message is not None)


def test_a_ping_and_a_key_set_stand_without_the_envelope() -> None:
    assert as_json(Ping()) == {"status": "ok"}
    assert as_json(KeySet(keys=[{"kid": "a"}])) == {"keys": [{"kid": "a"}]}


def test_a_failure_without_wrong_fields_lists_none() -> None:
    failure = ValidationFailed()
    for view in (
        Problem.of(failure, help_url="https://x/errors/validation_failed", request_id="r"),
        ProblemDetails.of(failure, help_url="https://x/errors/validation_failed", request_id="r"),
    ):
        assert "errors" not in json.loads(view.model_dump_json(exclude_none=True))


def test_a_wrong_field_is_reported_by_name_code_and_message() -> None:
    failure = ValidationFailed(fields=(FieldError("a", "b", "c"),))

    view = Problem.of(failure, help_url="https://x", request_id="r")

    assert as_json(view)["errors"] == [{"field": "a", "code": "b", "message": "c"}]
