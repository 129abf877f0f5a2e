"""Known devices: an attack on an account does not keep its owner out."""

import re
from collections import Counter

import pytest

from app.audit.late_events import LateEvents
from app.outbox.service import Outbox
from tests.api.service import PASSWORD, Account, Reply, Service, Start, new_names
from tests.contract.races import in_threads

WRONG = "a wrong battery staple"
DAY = 24 * 60 * 60


def login(service: Service, name: str, password: str = PASSWORD, *, device: str) -> Reply:
    return service.login(name, password, headers={"X-Device-Token": device})


def device_of(reply: Reply) -> str:
    token = reply.json["data"]["device_token"]
    assert isinstance(token, str)
    return token


def attack(service: Service, account: Account) -> None:
    """Guess until the account has to wait."""
    while service.login(account.email, WRONG).status_code == 401:
        pass
    assert service.login(account.email).status_code == 429


def after_reply(service: Service) -> None:
    """Do what the threads of a worker do every other second."""
    service.wired.get(LateEvents).store()
    service.wired.get(Outbox).deliver_due()


def verify(service: Service, account: Account) -> None:
    service.wired.get(Outbox).deliver_due()
    text = next(mail.text for mail in service.sent_mails() if mail.to == account.email)
    (token,) = set(re.findall(r"#token=([A-Za-z0-9_-]+)", text))
    assert service.post("/auth/email/verify", {"token": token}).status_code == 200


def warnings(service: Service, account: Account) -> int:
    return sum(
        mail.to == account.email and mail.subject == "Someone is guessing your password"
        for mail in service.sent_mails()
    )


def attacks_in_events(service: Service, account: Account) -> int:
    events = service.get("/auth/events", token=account.token).json["data"]["events"]
    return [event["action"] for event in events].count("login.attacked")


def test_registration_and_each_login_give_a_device_token_and_a_refresh_gives_none(service: Service) -> None:
    account = service.register()
    tokens = {account.data["device_token"], device_of(service.login(account.email))}
    assert len(tokens) == 2
    renewed = service.post("/auth/refresh", {"refresh_token": account.refresh_token})
    assert "device_token" not in renewed.json["data"]


def test_the_owner_gets_in_from_a_known_device_while_the_account_is_attacked(service: Service) -> None:
    account = service.register()
    attack(service, account)
    token = account.data["device_token"]
    for _ in range(3):
        reply = login(service, account.username, device=token)
        assert reply.status_code == 200
        token = device_of(reply)
    assert service.login(account.email).status_code == 429


def test_a_known_device_has_five_failures_and_is_unknown_then(service: Service) -> None:
    account = service.register()
    attack(service, account)
    token = account.data["device_token"]
    for _ in range(5):
        assert login(service, account.email, WRONG, device=token).status_code == 401
    wrong, right = (login(service, account.email, password, device=token) for password in (WRONG, PASSWORD))
    assert (wrong.status_code, right.status_code) == (429, 429)
    assert wrong.headers["Retry-After"] == right.headers["Retry-After"]


def test_of_many_guesses_at_once_with_a_device_token_only_five_count_for_it(service: Service) -> None:
    account = service.register()
    attack(service, account)
    token = account.data["device_token"]
    answers = Counter(
        reply.status_code for reply in in_threads(lambda _: login(service, account.email, WRONG, device=token))
    )
    assert answers == {401: 5, 429: 11}


def test_a_token_that_is_not_good_for_the_account_is_as_good_as_none(service: Service) -> None:
    account, other = service.register(), service.register()
    attack(service, account)
    own = account.data["device_token"]
    for token in (other.data["device_token"], "", "x", own[:-1] + "-", own + "A", own.lower(), f"{own},{own}", "ä"):
        assert login(service, account.email, device=token).status_code == 429
        assert login(service, other.email, device=token).status_code == 200


def test_a_token_makes_nobody_known_where_there_is_no_account(service: Service) -> None:
    account, (nobody, _) = service.register(), new_names()
    for _ in range(10):
        assert login(service, nobody, WRONG, device=account.data["device_token"]).status_code == 401
    assert login(service, nobody, WRONG, device=account.data["device_token"]).status_code == 429


@pytest.mark.parametrize("act", ["password", "others"])
def test_what_ends_the_other_sessions_ends_all_device_tokens(service: Service, act: str) -> None:
    account = service.register()
    if act == "password":
        change = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
        assert service.post("/auth/password", change, token=account.token).status_code == 200
    else:
        assert service.post("/auth/logout", {"scope": "others"}, token=account.token).status_code == 200
    attack(service, account)
    password = PASSWORD + "!" if act == "password" else PASSWORD
    assert login(service, account.email, password, device=account.data["device_token"]).status_code == 429


def test_a_device_token_works_on_every_instance_and_nowhere_else(service: Service, start: Start) -> None:
    beside, account = start(on=service), service.register()
    attack(service, account)
    assert login(beside, account.email, device=account.data["device_token"]).status_code == 200
    assert service.get("/auth/me", token=account.data["device_token"]).status_code == 401


def test_an_administrator_unlocks_unknown_devices(service: Service) -> None:
    account, admin = service.register(), service.administrator()
    attack(service, account)
    assert service.post(f"/admin/users/{account.id}/unlock", token=admin.token).status_code == 200
    assert service.login(account.email).status_code == 200


def test_the_owner_is_told_of_an_attack_once_a_day_at_a_verified_address(service: Service) -> None:
    account = service.register()
    verify(service, account)
    for told, seconds in ((1, 0), (1, DAY - 60), (2, 60)):
        service.clock.advance(seconds)
        for _ in range(10):
            assert service.login(account.email, WRONG).status_code == 401
            after_reply(service)
        service.clock.advance(1)
        account = Account(service.login(account.email).json["data"], account.email, account.username)
        assert (warnings(service, account), attacks_in_events(service, account)) == (told, told)


def test_an_attack_on_an_unverified_address_is_an_event_and_no_mail(service: Service) -> None:
    account = service.register()
    attack(service, account)
    after_reply(service)
    assert (warnings(service, account), attacks_in_events(service, account)) == (0, 1)


def test_a_few_typing_errors_are_no_attack(service: Service) -> None:
    account = service.register()
    verify(service, account)
    for _ in range(9):
        service.login(account.email, WRONG)
    after_reply(service)
    assert (warnings(service, account), attacks_in_events(service, account)) == (0, 0)


def test_where_accounts_are_hidden_the_names_of_an_account_are_delayed_apart_and_close_together(start: Start) -> None:
    service = start(HIDE_ACCOUNTS="on")
    account = service.hidden_account()
    names = (account.email, account.username)
    answered = 0
    for name in names:
        for number in range(5):
            assert service.login(name, WRONG).status_code == 401, (name, number)
            answered += 1
        assert service.login(name, WRONG).status_code == 429
    for name in names:
        while int((reply := service.login(name, WRONG)).headers.get("Retry-After", "0")) < 200 * DAY:
            service.clock.advance(int(reply.headers.get("Retry-After", "0")))
            answered += reply.status_code == 401
    assert answered == 50
