"""Changing accounts: a change and its events are there together, or neither is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from app.accounts.credentials import CredentialService
from app.accounts.deletion import DeletionService
from app.accounts.mail_requests.model import MailRequest, PendingRegistration
from app.accounts.registration import NewAccount, RegistrationService
from app.accounts.under_way import UndoOffer
from app.feature import LiveCallers
from app.platform.errors import EmailTaken, Failure, Forbidden, SessionEnded, WrongPassword
from app.platform.identifiers import new_id
from app.web.caller import KINDS
from tests.api.service import PASSWORD
from tests.contract.entities import an_impersonation
from tests.unit.instance import DEVICE, session_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.accounts.account import Account
    from app.accounts.principal import Principal
    from app.audit.model import AuditEvent
    from app.web.caller import CallerKind
    from tests.api.service import FakeClock
    from tests.unit.instance import Instance


def events_of(instance: Instance, user_id: str) -> list[AuditEvent]:
    return instance.store.events.page_of(user_id, before=None, limit=10)


def actions_of(instance: Instance, user_id: str) -> list[str]:
    return [event.action for event in events_of(instance, user_id)]


def kept(instance: Instance, user_id: str) -> Account:
    account = instance.store.users.account(user_id)
    assert account is not None
    return account


def test_a_change_whose_event_cannot_be_stored_is_not_made(instance: Instance, database: Path) -> None:
    user_id = instance.register()
    principal, before = session_of(instance.wired, user_id), kept(instance, user_id)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("ALTER TABLE events RENAME TO no_events")
    with pytest.raises(Exception, match="no such table: events"):
        instance.get(CredentialService).change(principal, PASSWORD, "another " + PASSWORD, DEVICE)
    assert kept(instance, user_id) == before
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("ALTER TABLE no_events RENAME TO events")
    instance.get(CredentialService).change(principal, PASSWORD, "another " + PASSWORD, DEVICE)
    assert actions_of(instance, user_id) == ["password.changed", "session.opened", "user.registered"]


def test_a_change_that_is_refused_leaves_no_event(instance: Instance) -> None:
    user_id, accounts = instance.register(), instance.get(CredentialService).accounts

    def refuse(_: Account) -> Account:
        raise WrongPassword

    with pytest.raises(Failure):
        accounts.change(user_id, refuse, actions=["name.changed"])
    assert actions_of(instance, user_id) == ["user.registered"]


def test_a_change_that_is_made_again_since_another_came_first_is_one_event(instance: Instance) -> None:
    user_id, accounts = instance.register(), instance.get(CredentialService).accounts
    others = [accounts.users]

    def renamed(account: Account) -> Account:
        while others:
            assert others.pop().save(account.in_new_epoch())
        return account.with_user(name="Ann")

    accounts.change(user_id, renamed, actions=["name.changed"], device=DEVICE)
    assert (kept(instance, user_id).user.name, kept(instance, user_id).auth_epoch) == ("Ann", 1)
    assert actions_of(instance, user_id) == ["name.changed", "user.registered"]


def test_what_changes_nothing_is_an_event_all_the_same(instance: Instance) -> None:
    user_id, accounts = instance.register(), instance.get(CredentialService).accounts
    before = kept(instance, user_id)
    accounts.change(user_id, lambda account: account, actions=["email.change_requested"], device=DEVICE)
    assert kept(instance, user_id) == before
    assert actions_of(instance, user_id) == ["email.change_requested", "user.registered"]


def test_each_event_of_a_change_is_a_line_of_the_log_once_it_is_stored(instance: Instance, clock: FakeClock) -> None:
    accounts, email = instance.get(CredentialService).accounts, "ann@example.com"
    with capture_logs() as logged:
        ann = instance.register("ann", email=email)
        eve = instance.register("eve")
        accounts.change(eve, lambda account: account.with_user(name="Eve"), actions=["name.changed"], device=DEVICE)
        accounts.take_email(email, by=eve)
        registration = PendingRegistration(password_hash="hash")
        until = clock.now + timedelta(days=1)
        request = MailRequest(new_id(), "register", email, clock.now, until, None, 1, registration)
        accounts.requests.add(request)
        instance.get(RegistrationService).complete(request.id, DEVICE)
    told = [(line["user_id"], line["action"], line["ip"]) for line in logged if line["event"] == "event"]
    assert told == [
        (ann, "user.registered", None),
        (eve, "user.registered", None),
        (eve, "name.changed", DEVICE.ip),
        (ann, "email.lost", None),
        (request.id, "user.registered", DEVICE.ip),
    ]


def test_a_registration_that_meets_a_held_address_leaves_nothing_personal(
    instance: Instance, database: Path, clock: FakeClock
) -> None:
    store, email = instance.store, "ann@example.com"
    holder, until = instance.register("holder"), clock.now + timedelta(days=1)
    store.held_emails.hold(email, holder, now=clock.now, until=until)
    instance.get(CredentialService).accounts.change(
        holder, lambda account: account.moved_to("new@example.com", UndoOffer(new_id(), email, until), clock.now)
    )
    with pytest.raises(EmailTaken):
        instance.get(RegistrationService).register(NewAccount(PASSWORD, email), DEVICE)
    with closing(sqlite3.connect(database)) as connection:
        users = {row[0] for row in connection.execute("SELECT id FROM users")}
        found = connection.execute("SELECT user_id, ip, user_agent, details FROM events").fetchall()
    assert users == {holder}
    assert [row[1:] for row in found if row[0] != holder] == [(None, None, None)]


def test_a_deletion_leaves_one_event_of_it(instance: Instance) -> None:
    user_id = instance.register()
    instance.get(DeletionService).delete(session_of(instance.wired, user_id), PASSWORD, DEVICE)
    assert actions_of(instance, user_id) == ["user.deleted", "session.opened", "user.registered"]
    assert {(event.ip, event.user_agent, *event.details) for event in events_of(instance, user_id)} == {(None, None)}


def renamed(account: Account) -> Account:
    return replace(account, user=replace(account.user, name="Ann"))


def test_a_change_by_another_user_names_them_also_when_nothing_is_left_to_change(instance: Instance) -> None:
    ann, accounts = instance.register("ann"), instance.get(CredentialService).accounts
    admin = session_of(instance.wired, instance.register("bob"))
    own = session_of(instance.wired, ann)
    impersonated = replace(own, impersonation=an_impersonation(actor_id=admin.user.id))
    with capture_logs() as logged:
        for by in (admin, admin, own, impersonated, None):
            accounts.change(ann, renamed, by=by, actions=["name.changed"], device=DEVICE)

    actors = [event.actor_id for event in events_of(instance, ann) if event.action == "name.changed"]
    assert actors == [None, admin.user.id, None, admin.user.id, admin.user.id]
    assert [line.get("actor_id") for line in logged] == actors[::-1]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_whether_a_caller_is_live_is_asked_of_the_feature_of_its_kind(instance: Instance, kind: CallerKind) -> None:
    ann = instance.register()
    principal = replace(session_of(instance.wired, ann), kind=kind)
    asked: list[Principal] = []
    ended = LiveCallers({each: lambda by: by for each in KINDS} | {kind: asked.append})
    accounts = replace(instance.get(CredentialService).accounts, callers=ended)

    with pytest.raises(SessionEnded):
        accounts.change(ann, renamed, by=principal)
    assert asked == [principal]
    assert kept(instance, ann).user.name is None


@pytest.mark.parametrize("roles", ["member", "admin"])
def test_an_administrator_who_was_demoted_since_they_were_let_in_changes_nobody_else(
    instance: Instance, change_user: Callable[..., None], roles: str
) -> None:
    ann, bob = instance.register("ann"), instance.register("bob")
    change_user(bob, roles="admin")
    admin, accounts = session_of(instance.wired, bob), instance.get(CredentialService).accounts
    change_user(bob, roles=roles)

    if roles == "admin":
        assert accounts.change(ann, renamed, by=admin).user.name == "Ann"
        return
    with pytest.raises(Forbidden, match="You have lost a permission"):
        accounts.change(ann, renamed, by=admin)
    assert kept(instance, ann).user.name is None
    assert accounts.change(bob, renamed, by=admin).user.name == "Ann"  # their own account stays theirs
