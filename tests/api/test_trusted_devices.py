"""Trusted devices: they stand for the second factor of a login, for a while, and for nothing else."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest

from tests.api.service import PASSWORD, Account, Reply, Service, Start
from tests.api.test_required_factors import (
    change_password,
    delete,
    disable,
    log_out_all,
    log_out_others,
    reset_password,
)
from tests.api.test_second_factors import NEW_PASSWORD, Person, code_of, reset
from tests.stores import events_of

DAYS = 30
DAY = 86400


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    return start(FACTOR_TRUST_DAYS=str(DAYS))


@pytest.fixture
def person(service: Service) -> Person:
    person = Person(service, service.register())
    person.enrol()
    return person


def go_on(person: Person, token: str, *, trust: object = True, service: Service | None = None) -> Reply:
    body = {"login_token": token, "method": "totp", "code": person.code(), "trust_device": trust}
    return (service or person.service).post("/auth/login/continue", body)


def trusted(person: Person) -> str:
    """The device token of a login with both factors, whose device is trusted from now on."""
    reply = go_on(person, person.first())
    assert reply.status_code == 200, reply.text
    person.token = reply.json["data"]["access_token"]
    token: str = reply.json["data"]["device_token"]
    return token


def again(person: Person, device_token: str, password: str = PASSWORD, service: Service | None = None) -> Reply:
    """A login by password from that device."""
    return (service or person.service).login(person.account.email, password, headers={"X-Device-Token": device_token})


def claims(reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(reply.json["data"]["access_token"], options={"verify_signature": False})
    return found


def test_a_trusted_device_needs_the_password_alone_and_its_tokens_say_so(person: Person) -> None:
    device = trusted(person)

    reply = again(person, device)

    assert reply.status_code == 200
    assert claims(reply)["amr"] == ["pwd"]
    assert claims(reply)["acr"] == "urn:latchkey:aal1"
    assert code_of(again(person, device, "wrong horse battery")) == (401, "invalid_credentials")


def test_a_device_is_trusted_only_if_its_user_says_so(person: Person) -> None:
    for said in (False, None):
        body = {"login_token": person.first(), "method": "totp", "code": person.code()}
        more = {} if said is None else {"trust_device": said}
        reply = person.service.post("/auth/login/continue", body | more)
        assert code_of(again(person, reply.json["data"]["device_token"])) == (403, "second_factor_required")
    assert code_of(person.service.login(person.account.email)) == (403, "second_factor_required")


@pytest.mark.parametrize("wrong", ["true", 1, None, [], {"a": 1}])
def test_whether_a_device_is_trusted_is_yes_or_no(person: Person, wrong: object) -> None:
    token = person.first()
    reply = go_on(person, token, trust=wrong)
    assert code_of(reply) == (422, "validation_failed")
    assert [error["field"] for error in reply.json["errors"]] == ["trust_device"]
    assert go_on(person, token).status_code == 200


def test_where_no_device_is_trusted_that_is_refused_by_name_and_costs_no_code(person: Person, start: Start) -> None:
    device = trusted(person)
    off = start(on=person.service)
    reply = again(person, device, service=off)
    assert code_of(reply) == (403, "second_factor_required")
    token = reply.json["login"]["token"]
    for _ in range(6):
        refused = go_on(person, token, service=off)
        assert code_of(refused) == (422, "validation_failed")
        assert [error["field"] for error in refused.json["errors"]] == ["trust_device"]
    assert go_on(person, token, trust=False, service=off).status_code == 200


def test_the_trust_ends_when_its_days_are_over_however_often_the_device_logs_in(person: Person) -> None:
    device = trusted(person)
    for _ in range(DAYS - 1):
        person.service.clock.advance(DAY)
        reply = again(person, device)
        assert reply.status_code == 200
        device = reply.json["data"]["device_token"]
    person.service.clock.advance(DAY)
    reply = again(person, device)
    assert code_of(reply) == (403, "second_factor_required")
    token = go_on(person, reply.json["login"]["token"]).json["data"]["device_token"]
    assert again(person, token).status_code == 200


def test_a_lower_setting_shortens_the_trust_at_once_and_a_higher_one_lengthens_none(
    person: Person, start: Start
) -> None:
    device = trusted(person)
    shorter, longer = (start(on=person.service, FACTOR_TRUST_DAYS=days) for days in ("1", "90"))
    person.service.clock.advance(DAY)
    assert code_of(again(person, device, service=shorter)) == (403, "second_factor_required")
    assert again(person, device, service=longer).status_code == 200
    person.service.clock.advance((DAYS - 1) * DAY)
    assert code_of(again(person, device, service=longer)) == (403, "second_factor_required")


def test_the_trust_is_one_user_s(person: Person, service: Service) -> None:
    other = Person(service, service.register())
    other.enrol()
    assert code_of(again(other, trusted(person))) == (403, "second_factor_required")


# What ends it.


def change_factor(service: Service, account: Account) -> Reply:
    return service.post("/auth/factors/recovery-codes", token=account.token)


def reset_factors_and_add_one(service: Service, account: Account) -> Reply:
    assert reset(service, Person(service, account), service.administrator()).status_code == 200
    data = service.login(account.email).json["data"]
    return Person(service, Account(data, account.email, account.username)).enrol()


@pytest.mark.parametrize(
    "end",
    [change_password, reset_password, log_out_all, log_out_others, disable, change_factor, reset_factors_and_add_one],
)
def test_what_ends_the_sessions_of_the_account_ends_the_trust(
    person: Person, start: Start, end: Callable[[Service, Account], Reply]
) -> None:
    device = trusted(person)
    elsewhere = start(on=person.service, FACTOR_TRUST_DAYS=str(DAYS))
    inside = Account(
        {**person.account.data, "access_token": person.token}, person.account.email, person.account.username
    )
    service = person.service
    if end is reset_password:  # of a verified account, whose factors stay
        assert service.post("/auth/email/verify", {"token": person.mailed_token("Confirm")}).status_code == 200
    assert end(elsewhere if end is not reset_password else service, inside).status_code in {200, 201}
    password = NEW_PASSWORD if end in {change_password, reset_password} else PASSWORD
    assert code_of(again(person, device, password)) == (403, "second_factor_required")


def test_an_account_that_is_deleted_takes_the_trust_along(person: Person) -> None:
    device = trusted(person)
    inside = Account({**person.account.data, "access_token": person.token}, person.account.email, "x")
    assert delete(person.service, inside).status_code == 200
    assert code_of(again(person, device)) == (401, "invalid_credentials")


def test_a_device_that_guesses_is_not_trusted_any_more(person: Person) -> None:
    device = trusted(person)
    for _ in range(5):
        assert code_of(again(person, device, "wrong horse battery")) == (401, "invalid_credentials")
    assert code_of(again(person, device)) == (403, "second_factor_required")


# What it does not stand for.


def test_a_trusted_device_is_no_recent_authentication_until_the_factor_is_proven(person: Person) -> None:
    service, device = person.service, trusted(person)
    token = again(person, device).json["data"]["access_token"]
    for method, path, body in (
        ("DELETE", "/auth/factors/totp", None),
        ("POST", "/auth/factors/totp", None),
        ("POST", "/auth/factors/recovery-codes", None),
        ("GET", "/auth/me/export", None),
        ("PATCH", "/auth/me", {"username": "somebody-else"}),
    ):
        refused = service.send(method, path, json=body, token=token)
        assert code_of(refused) == (403, "reauthentication_required"), path
        assert refused.json["methods"] == ["totp"]
    assert service.get("/auth/verify", token=token, query="acr=urn:latchkey:aal2").status_code == 401
    assert service.get("/auth/verify", token=token, query="max_age=600").status_code == 401
    assert service.get("/auth/verify", token=token).status_code == 200
    by_password = service.post("/auth/reauthenticate", {"password": PASSWORD}, token=token)
    assert code_of(by_password) == (403, "reauthentication_required")

    stepped = service.post("/auth/reauthenticate", {"method": "totp", "code": person.code()}, token=token)

    assert claims(stepped)["amr"] == ["pwd", "otp", "mfa"]
    assert service.send("DELETE", "/auth/factors/totp", token=token).status_code == 403
    assert service.send("DELETE", "/auth/factors/totp", token=stepped.json["data"]["access_token"]).status_code == 200


def test_neither_a_refresh_nor_a_new_password_makes_it_a_recent_authentication(person: Person) -> None:
    service = person.service
    opened = again(person, trusted(person)).json["data"]
    renewed = service.post("/auth/refresh", {"refresh_token": opened["refresh_token"]})
    assert claims(renewed)["amr"] == ["pwd"]
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert service.post("/auth/password", body, token=opened["access_token"]).status_code == 200
    for token in (opened["access_token"], renewed.json["data"]["access_token"]):
        refused = service.send("DELETE", "/auth/factors/totp", token=token)
        assert code_of(refused) == (403, "reauthentication_required")


def test_a_recovery_code_may_trust_a_device_too(person: Person) -> None:
    body = {"login_token": person.first(), "method": "recovery_code", "code": person.codes[0], "trust_device": True}
    reply = person.service.post("/auth/login/continue", body)
    assert again(person, reply.json["data"]["device_token"]).status_code == 200


def test_a_device_that_is_trusted_and_each_login_that_it_stands_for_are_events(person: Person) -> None:
    device = trusted(person)
    assert again(person, device).status_code == 200
    events = person.service.get("/auth/events", token=person.token).json["data"]["events"]
    actions = [event["action"] for event in events]
    assert actions[:3] == ["session.opened", "device.trusted", "session.opened"]
    assert actions.count("device.trusted") == 1
    opened = [each for each in events_of(person.service.store, person.account.id) if each.action == "session.opened"]
    assert [each.details.get("second_factor") for each in opened[:2]] == ["trusted_device", None]


def test_a_device_is_trusted_in_the_login_that_added_the_factor(start: Start, service: Service) -> None:
    strict = start(on=service, FACTOR_TRUST_DAYS="30", REQUIRE_SECOND_FACTOR="all")
    account = service.register()
    person = Person(strict, account)
    person.token = strict.login(account.email).json["login"]["token"]
    person.enrol()
    device = go_on(person, person.token).json["data"]["device_token"]
    assert again(person, device).status_code == 200


def test_many_logins_of_a_trusted_device_at_once_are_all_let_in(person: Person) -> None:
    device = trusted(person)
    replies = person.service.at_once(lambda _: again(person, device))
    assert {reply.status_code for reply in replies} == {200}
