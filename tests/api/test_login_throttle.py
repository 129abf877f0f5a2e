"""Guessing passwords: how many guesses of one name are answered, and how long the next one has to wait."""

from collections import Counter

import pytest

from tests.api.service import PASSWORD, Reply, Service, Start, new_names, occupied
from tests.contract.races import in_threads

WRONG = "a wrong battery staple"
YEAR = 365 * 24 * 60 * 60


def fail(service: Service, name: str, times: int) -> None:
    """Guess this often, each time as soon as a guess is answered."""
    while times:
        response = service.login(name, WRONG)
        if response.status_code == 429:
            service.clock.advance(waiting(response))
        else:
            assert response.status_code == 401
            times -= 1


def waiting(response: Reply) -> int:
    """The seconds that a reply tells the client to wait."""
    assert (response.status_code, response.json["code"]) == (429, "too_many_requests")
    return int(response.headers["Retry-After"])


@pytest.fixture(params=["known", "unknown"])
def name(request: pytest.FixtureRequest, service: Service) -> str:
    """The name of an account, and one that nobody has: both are throttled alike."""
    return service.register().email if request.param == "known" else new_names()[0]


def test_ten_guesses_are_answered_and_the_next_has_to_wait(service: Service, name: str) -> None:
    for _ in range(10):
        assert service.login(name, WRONG).status_code == 401
    for password in (WRONG, PASSWORD):
        assert waiting(service.login(name, password)) == 1


def test_the_wait_ends_when_it_said_and_doubles_with_each_further_failure(service: Service, name: str) -> None:
    fail(service, name, 10)
    for seconds in (1, 2, 4, 8, 16, 32, 64):
        assert waiting(service.login(name, WRONG)) == seconds
        service.clock.advance(seconds - 0.001)
        assert waiting(service.login(name, WRONG)) == 1
        service.clock.advance(0.001)
        assert service.login(name, WRONG).status_code == 401


def test_what_was_refused_is_not_counted(service: Service, name: str) -> None:
    fail(service, name, 10)
    for _ in range(30):
        assert waiting(service.login(name, WRONG)) == 1


def test_fifty_failures_in_a_row_are_the_most_for_a_name(service: Service, name: str) -> None:
    fail(service, name, 50)
    assert waiting(service.login(name, WRONG)) == YEAR
    service.clock.advance(YEAR - 1)
    assert waiting(service.login(name, WRONG)) == 1
    service.clock.advance(1)
    assert service.login(name, WRONG).status_code == 401


def test_of_many_guesses_at_once_only_ten_are_answered(service: Service, name: str) -> None:
    answers = Counter(response.status_code for response in in_threads(lambda _: service.login(name, WRONG)))
    assert answers == {401: 10, 429: 6}


def test_a_right_guess_among_too_many_at_once_is_not_answered_either(service: Service) -> None:
    account = service.register()
    fail(service, account.email, 9)
    passwords = [WRONG] * 15 + [PASSWORD]
    answers = Counter(
        response.status_code for response in in_threads(lambda number: service.login(account.email, passwords[number]))
    )
    assert answers[401] <= 1 + 10 * answers[200]
    assert answers.keys() <= {200, 401, 429}


def test_a_login_after_the_wait_forgets_the_failures(service: Service) -> None:
    account = service.register()
    fail(service, account.email, 12)
    service.clock.advance(waiting(service.login(account.email)))
    assert service.login(account.email).status_code == 200
    for _ in range(10):
        assert service.login(account.email, WRONG).status_code == 401
    assert waiting(service.login(account.email)) == 1


def test_failures_are_forgotten_a_year_after_the_last(service: Service, name: str) -> None:
    fail(service, name, 12)
    service.clock.advance(YEAR)
    for _ in range(10):
        assert service.login(name, WRONG).status_code == 401
    assert waiting(service.login(name, WRONG)) == 1


def test_the_same_name_is_counted_however_it_is_written(service: Service) -> None:
    account = service.register()
    forms = [account.email, account.email.upper(), f" {account.email}\t", account.email.title(), f"{account.email} "]
    for number in range(10):
        field = ("email", "login")[number % 2]
        response = service.post("/auth/login", {field: forms[number % 5], "password": WRONG})
        assert response.status_code == 401
    for form in forms:
        assert waiting(service.login(form)) == 1


def test_the_domain_is_counted_as_one_in_both_its_forms(service: Service) -> None:
    fail(service, "eve@bücher.example.com", 5)
    fail(service, "eve@xn--bcher-kva.example.com", 5)
    assert waiting(service.login("eve@BÜCHER.example.com")) == 1


def test_a_username_is_counted_however_it_is_written(service: Service) -> None:
    account = service.register()
    fail(service, account.username, 5)
    fail(service, f" {account.username.upper()} ", 5)
    assert waiting(service.post("/auth/login", {"username": account.username, "password": PASSWORD})) == 1


def test_failures_of_an_account_count_together_by_all_its_names_and_as_confirmations(service: Service) -> None:
    account = service.register()
    fail(service, account.email, 4)
    fail(service, account.username, 4)
    change = {"current_password": WRONG, "new_password": "another battery staple"}
    for _ in range(2):
        assert service.post("/auth/password", change, token=account.token).status_code == 403
    for name in (account.email, account.username):
        assert waiting(service.login(name)) == 1


def test_a_new_user_name_brings_no_new_guesses(service: Service) -> None:
    account = service.register()
    fail(service, account.username, 10)
    (_, renamed) = new_names()
    assert service.send("PATCH", "/auth/me", json={"username": renamed}, token=account.token).status_code == 200
    assert waiting(service.login(renamed)) == 1


@pytest.mark.parametrize("impossible", ["no such name!", "not@an address", "änn", "😀"])
def test_a_name_that_no_account_can_have_is_counted_too(service: Service, impossible: str) -> None:
    fail(service, impossible, 5)
    fail(service, f" {impossible.upper()}", 5)
    assert waiting(service.login(impossible, WRONG)) == 1


def test_a_locked_out_login_costs_no_hashing(start: Start) -> None:
    service = start(HASH_THREADS="1", HASH_QUEUE="1", HASH_DEADLINE_SECONDS="1")
    name, _ = new_names()
    fail(service, name, 10)
    with occupied(service):
        assert waiting(service.login(name, WRONG)) == 1


def test_other_names_are_not_held_up(service: Service) -> None:
    account, other = service.register(), service.register()
    fail(service, account.email, 12)
    assert service.login(other.email).status_code == 200
    assert service.get("/auth/me", token=account.token).status_code == 200


def test_the_address_of_the_client_does_not_matter(service: Service) -> None:
    account = service.register()
    for number in range(10):
        peer = {"REMOTE_ADDR": f"192.0.2.{number}", "HTTP_X_FORWARDED_FOR": f"198.51.100.{number}"}
        assert service.login(account.email, WRONG, environ=peer).status_code == 401
    assert waiting(service.login(account.email, environ={"REMOTE_ADDR": "192.0.2.99"})) == 1


def test_all_instances_count_together(service: Service, start: Start) -> None:
    other = start(on=service)
    account = service.register()
    fail(service, account.email, 5)
    fail(other, account.email, 5)
    assert waiting(service.login(account.email)) == 1


def test_many_logins_at_once_with_the_right_password_all_succeed(service: Service) -> None:
    account = service.register()
    fail(service, account.email, 9)
    answers = Counter(response.status_code for response in in_threads(lambda _: service.login(account.email)))
    assert answers == {200: 16}


def test_the_throttle_can_be_switched_off(service: Service, start: Start, name: str) -> None:
    free = start(on=service, RATE_LIMITS="off")
    for _ in range(20):
        assert free.login(name, WRONG).status_code == 401
