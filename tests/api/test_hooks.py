"""The example of docs/hooks.md over HTTP; and what a hook that fails leaves behind: nothing."""

from __future__ import annotations

import json
import sys
from base64 import urlsafe_b64decode
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.mailbox import newest_to
from tests.api.service import PASSWORD, new_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.hooks import Event, Registration, Session, User
    from tests.api.service import Reply, Service, Start

EXAMPLE = Path(__file__).parents[2] / "examples" / "hooks"


class Broken:
    """Fails as long as it is told to, in each of its methods."""

    fails = True

    def add_claims(self, user: User, session: Session) -> dict[str, Any]:
        return {"x_kind": f"{session.kind} of {user.username}"} if not Broken.fails else {"sub": "root"}

    def check_registration(self, _registration: Registration) -> None:
        if Broken.fails:
            raise LookupError

    def on_event(self, _event: Event) -> None:
        raise LookupError


class Learns:
    """Keeps the events that it learns of."""

    events: list[Event] = []  # noqa: RUF012 - the hook is made by the service
    learnt = Flag()

    def on_event(self, event: Event) -> None:
        Learns.events.append(event)
        Learns.learnt.set()


@pytest.fixture(scope="module")
def company(start: Start) -> Iterator[Service]:
    sys.path.insert(0, str(EXAMPLE))
    yield start(HOOKS="company_hooks:CompanyHooks")
    sys.path.remove(str(EXAMPLE))


@pytest.fixture(scope="module")
def other(company: Service, start: Start) -> Service:
    """An instance beside it, without hooks."""
    return start(on=company)


@pytest.fixture(scope="module")
def broken(company: Service, start: Start) -> Service:
    return start(on=company, HOOKS=f"{__name__}:Broken", IMPERSONATION="on")


def claims_of(reply: Reply) -> dict[str, Any]:
    assert reply.status_code in {200, 201}, reply.text
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(reply.json["data"]["token"].split(".")[1] + "=="))
    return claims


def registered(service: Service, email: str) -> Reply:
    return service.post("/auth/register", {"email": email, "password": PASSWORD})


def test_the_example_lets_only_its_own_register(company: Service) -> None:
    refused = registered(company, new_names()[0])
    assert (refused.status_code, refused.json["code"]) == (403, "registration_refused")
    assert refused.json["message"] == "Register with your address at company.example."
    assert company.login(new_names()[0]).status_code == 401


def test_where_accounts_are_hidden_the_hook_is_asked_just_as_early(company: Service, start: Start) -> None:
    hidden = start(on=company, HOOKS="company_hooks:CompanyHooks", HIDE_ACCOUNTS="on")
    refused = registered(hidden, new_names()[0])
    assert (refused.status_code, refused.json["code"]) == (403, "registration_refused")
    assert registered(hidden, "bob@company.example").status_code == 202


def test_the_example_adds_the_department_once_the_address_is_proven(company: Service) -> None:
    first = registered(company, "ann@company.example")
    assert "x_department" not in claims_of(first)
    token = newest_to(company, "ann@company.example").token
    assert company.post("/auth/email/verify", {"token": token}).status_code == 200

    opened = company.login("ann@company.example")
    refreshed = company.post("/auth/refresh", {"refresh_token": opened.json["data"]["refresh_token"]})

    assert (claims_of(opened)["x_department"], claims_of(refreshed)["x_department"]) == ("sales", "sales")
    assert company.get("/auth/me", token=refreshed.json["data"]["token"]).status_code == 200


def test_a_command_registers_whom_the_hooks_would_refuse(company: Service) -> None:
    assert company.administrator().token


@pytest.fixture
def failing() -> Iterator[None]:
    Broken.fails = True
    yield
    Broken.fails = False


@pytest.mark.usefixtures("failing")
def test_a_hook_that_fails_gives_no_token_and_leaves_no_session_and_no_account(broken: Service, other: Service) -> None:
    ann, boss = other.register(), other.administrator()
    email, _ = new_names()
    impersonate = f"/admin/users/{ann.id}/impersonate"
    replies = [
        broken.login(ann.username),
        broken.post("/auth/refresh", {"refresh_token": ann.refresh_token}),
        registered(broken, email),
        broken.post(impersonate, {"reason": "x"}, token=boss.token),
    ]
    assert {(reply.status_code, reply.json["code"]) for reply in replies} == {(503, "unavailable")}
    assert all(reply.headers["Retry-After"] for reply in replies)
    assert len(other.get("/auth/sessions", token=ann.token).json["data"]["sessions"]) == 1
    # The refresh token was not exchanged, and the address is free.
    assert other.post("/auth/refresh", {"refresh_token": ann.refresh_token}).status_code == 200
    assert registered(other, email).status_code == 201


def test_a_token_says_what_it_was_made_for(broken: Service, other: Service) -> None:
    Broken.fails = False
    ann, boss = other.register(), other.administrator()
    assert claims_of(broken.login(ann.username))["x_kind"] == f"session of {ann.username}"
    begun = broken.post(f"/admin/users/{ann.id}/impersonate", {"reason": "x"}, token=boss.token)
    assert claims_of(begun)["x_kind"] == f"impersonation of {ann.username}"


def test_hooks_learn_of_what_was_stored(company: Service, start: Start) -> None:
    service = start(on=company, HOOKS=f"{__name__}:Learns,{__name__}:Broken")
    Broken.fails = False
    email, _ = new_names()
    reply = registered(service, email)
    assert reply.status_code == 201
    service.wired.close()  # which tells all that waits
    assert Learns.learnt.wait(30)
    told = [(event.action, event.user_id, event.ip, event.outcome) for event in Learns.events]
    assert told[0] == ("user.registered", reply.json["data"]["user"]["id"], "127.0.0.1", "success")
