"""Concurrent requests, and changes in the middle of a request."""

from collections import Counter

import bcrypt

from app.accounts.deletion import DeletionService
from app.platform.devices import Device
from tests.api.mailbox import send
from tests.api.service import PASSWORD, Reply, Service, new_names
from tests.contract.races import in_threads


def outcomes(responses: list[Reply]) -> Counter[tuple[int, str | None]]:
    return Counter((response.status_code, response.json.get("code")) for response in responses)


def written(name: str, number: int) -> str:
    """One of 16 ways to write a name: by the bits of the number, its first letters are capitals."""
    return (
        "".join(letter.upper() if number >> place & 1 else letter for place, letter in enumerate(name[:4])) + name[4:]
    )


def test_of_sixteen_registrations_of_one_address_one_succeeds(service: Service) -> None:
    email, _ = new_names()

    def register(number: int) -> Reply:
        return service.post("/auth/register", {"email": written(email, number), "password": f"{PASSWORD} {number}"})

    responses = in_threads(register)
    assert outcomes(responses) == {(201, None): 1, (409, "email_taken"): 15}
    (winner,) = [number for number, response in enumerate(responses) if response.status_code == 201]
    for number in (winner, (winner + 1) % 16):
        status = service.login(email, f"{PASSWORD} {number}").status_code
        assert status == (200 if number == winner else 401)


def test_of_sixteen_registrations_of_one_username_one_succeeds(service: Service) -> None:
    _, username = new_names()
    emails = [new_names()[0] for _ in range(16)]

    def register(number: int) -> Reply:
        body = {"email": emails[number], "username": written(username, number), "password": PASSWORD}
        return service.post("/auth/register", body)

    responses = in_threads(register)
    assert outcomes(responses) == {(201, None): 1, (409, "username_taken"): 15}
    # A registration that did not get the name did not keep the address either.
    assert Counter(service.login(email).status_code for email in emails) == {200: 1, 401: 15}


def test_sixteen_registrations_of_different_names_all_succeed(service: Service) -> None:
    emails = [new_names()[0] for _ in range(16)]
    responses = in_threads(
        lambda number: service.post("/auth/register", {"email": emails[number], "password": PASSWORD})
    )
    assert outcomes(responses) == {(201, None): 16}
    assert len({response.json["data"]["user"]["id"] for response in responses}) == 16


def test_an_account_deleted_in_the_middle_of_a_login_leaves_nothing_about_its_origin(
    service: Service,
) -> None:
    """The account is deleted during one reading of the clock in a login; each reading is tried in turn."""
    refused, deletion = 0, service.wired.get(DeletionService)
    for moment in range(100):
        account = service.register()
        looks = 0

        def delete(account_id: str = account.id, moment: int = moment) -> None:
            nonlocal looks
            looks += 1
            if looks == moment + 1:
                service.clock.at_each_call = lambda: None
                deletion.delete_if(account_id, lambda kept: kept, Device("192.0.2.1", ""), action="user.deleted")
                send(service)  # all that hung on it is gone by now

        service.clock.at_each_call = delete
        try:
            response = service.login(account.email)
        finally:
            service.clock.at_each_call = lambda: None
        if looks <= moment:
            break  # there is no later moment
        refused += outcomes([response]) == {(401, "invalid_credentials"): 1}
        events = service.store.events.page_of(account.id, before=None, limit=100)
        assert {(event.ip, event.user_agent, tuple(event.details)) for event in events} == {(None, None, ())}
        assert service.store.users.account(account.id) is None
        if response.status_code == 200:
            me = service.get("/auth/me", token=response.json["data"]["token"])
            assert (me.status_code, me.json["code"]) == (401, "session_ended")
    assert refused >= 2, "no account was deleted between verifying and opening the session"
    assert looks < 100


def test_a_password_changed_in_the_middle_of_a_login_leaves_no_session(service: Service) -> None:
    """A login reads the clock between its steps; each reading is tried in turn as the moment of the change."""
    other_hash = bcrypt.hashpw(b"another password", bcrypt.gensalt(4)).decode()
    ended = 0
    for moment in range(100):
        account = service.register()
        looks = 0

        def change_password(account_id: str = account.id, moment: int = moment) -> None:
            nonlocal looks
            if looks == moment:
                service.database.change_user(account_id, password_hash=other_hash, auth_epoch=1)
            looks += 1

        service.clock.at_each_call = change_password
        try:
            response = service.login(account.email)
        finally:
            service.clock.at_each_call = lambda: None
        if looks <= moment:
            break  # there is no later moment
        if response.status_code == 200:
            me = service.get("/auth/me", token=response.json["data"]["token"])
            assert (me.status_code, me.json["code"]) == (401, "session_ended")
            ended += 1
        else:
            assert (response.status_code, response.json["code"]) == (401, "invalid_credentials")
    assert ended >= 2, "no login was interrupted between verifying and opening its session"
    assert looks < 100
