"""A first factor opens a session only through the gate, which asks every reason to stop, and counts every code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from app.accounts.login_name import LoginName
from app.accounts.service import Accounts
from app.platform.errors import (
    InvalidCode,
    InvalidCredentials,
    InvalidLoginToken,
    SecondFactorRequired,
    TooManyRequests,
    Unavailable,
    ValidationFailed,
)
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.gate import LIVES, TRIES, LoginGate
from app.sessions.login import LoginService
from app.sessions.proof import Evidence, Step
from tests.api.service import PASSWORD
from tests.unit.instance import DEVICE, Instance

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.account import Account
    from app.platform.devices import Device
    from app.sessions.proof import Proof
    from app.sessions.session_tokens import OpenedSession
    from tests.api.service import FakeClock

RIGHT = "open sesame"
WRONG = "open rye"


class TwoFactors:
    """A reason as a feature would declare it: every login needs a second factor."""

    def unmet(self, proof: Proof) -> Step | None:
        return None if proof.authentication.has_two_factors else Step("second_factor", ("word",))


class Word:
    """A method as a feature would declare it: one word that everybody has."""

    name: str = "word"
    by: Literal["code", "credential"] = "code"
    steps_up: bool = False
    enrols: bool = False

    def prove(self, account: Account, evidence: Evidence, device: Device) -> tuple[str, ...]:  # noqa: ARG002
        if evidence.code != RIGHT:
            raise InvalidCode
        return ("kba",)


@dataclass
class Login:
    """Logins of an instance that asks for a word, too."""

    instance: Instance
    gate: LoginGate

    def begin(self, name: str = "ann", password: str = PASSWORD, device_token: str = "") -> str:
        """The login token."""
        service = replace(self.instance.get(LoginService), gate=self.gate)
        with pytest.raises(SecondFactorRequired) as raised:
            service.login(LoginName("username", name), password, DEVICE, device_token)
        login = raised.value.facts["login"]
        assert login | {"token": ""} == {
            "token": "", "expires_in": 600, "next": "second_factor", "methods": ["word"],
        }  # fmt: skip
        token: str = login["token"]
        return token

    def go_on(self, token: str, code: str = RIGHT, method: str = "word") -> OpenedSession:
        return self.gate.resume(token, method, Evidence(code=code), DEVICE)


@pytest.fixture
def login(instance: Instance) -> Login:
    instance.register("ann")
    plain = instance.get(LoginGate)
    return Login(instance, replace(plain, reasons=(*plain.reasons, TwoFactors()), methods=(Word(),)))


def test_a_password_alone_opens_nothing_and_the_second_factor_opens_a_session(login: Login) -> None:
    token = login.begin()
    user = login.instance.store.users.credentials_by_username("ann")
    assert user is not None
    assert login.instance.store.sessions.of_user(user.user.id, login.gate.clock()) == []

    opened = login.go_on(token)

    assert login.instance.get(AccessTokenAuthenticator).authenticate(opened.access_token).user.username == "ann"
    (session,) = login.instance.store.sessions.of_user(user.user.id, login.gate.clock())
    assert session.authentication.amr == ("pwd", "kba", "mfa")


def test_a_token_is_good_for_one_success(login: Login) -> None:
    token = login.begin()
    login.go_on(token)
    with pytest.raises(InvalidLoginToken):
        login.go_on(token)


def test_a_login_of_an_account_without_a_factor_has_none_to_recover(login: Login) -> None:
    with pytest.raises(InvalidLoginToken):
        login.gate.account_of(login.begin())


def test_after_five_wrong_codes_the_right_one_is_refused_too(login: Login) -> None:
    token = login.begin()
    for _ in range(TRIES):
        with pytest.raises(InvalidCode):
            login.go_on(token, WRONG)
    with pytest.raises(InvalidLoginToken):
        login.go_on(token)
    login.go_on(login.begin())


def test_a_token_lives_for_ten_minutes(login: Login, clock: FakeClock) -> None:
    token, late = login.begin(), login.begin()
    clock.advance(LIVES.total_seconds() - 1)
    login.go_on(token)
    clock.advance(1)
    with pytest.raises(InvalidLoginToken):
        login.go_on(late)


@pytest.mark.parametrize("token", ["", "x", "\ud800", "a" * 1000])
def test_a_token_that_nobody_gave_is_refused(login: Login, token: str) -> None:
    with pytest.raises(InvalidLoginToken):
        login.go_on(token)


def test_a_token_ends_with_the_epoch_of_its_account(login: Login, change_user: Callable[..., None]) -> None:
    token = login.begin()
    user = login.instance.store.users.credentials_by_username("ann")
    assert user is not None
    login.instance.get(Accounts).change(user.user.id, lambda account: account.in_new_epoch())
    with pytest.raises(InvalidLoginToken):
        login.go_on(token)

    token = login.begin()
    change_user(user.user.id, status="disabled")
    with pytest.raises(InvalidLoginToken):
        login.go_on(token)


def test_a_method_that_there_is_not_is_a_wrong_field_and_costs_no_try(login: Login) -> None:
    token = login.begin()
    for _ in range(TRIES):
        with pytest.raises(ValidationFailed):
            login.go_on(token, method="carrier pigeon")
    login.go_on(token)


def test_wrong_codes_count_as_wrong_passwords_and_a_right_password_forgets_none(login: Login) -> None:
    """Or a guesser who knows the password could begin each five guesses anew."""
    for _ in range(2):
        token = login.begin()
        for _ in range(TRIES):
            with pytest.raises(InvalidCode):
                login.go_on(token, WRONG)
    service = replace(login.instance.get(LoginService), gate=login.gate)
    with pytest.raises(TooManyRequests):
        service.login(LoginName("username", "ann"), PASSWORD, DEVICE)


def test_a_code_has_to_wait_as_long_as_a_password_and_waiting_costs_no_try(login: Login, clock: FakeClock) -> None:
    token = login.begin()
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            login.instance.login("ann", "wrong horse battery staple")
    for _ in range(TRIES + 1):
        with pytest.raises(TooManyRequests):
            login.go_on(token)
    clock.advance(1)
    login.go_on(token)


def test_a_finished_login_forgets_the_failures(login: Login) -> None:
    for _ in range(9):
        with pytest.raises(InvalidCredentials):
            login.instance.login("ann", "wrong horse battery staple")
    login.go_on(login.begin())
    for _ in range(9):
        with pytest.raises(InvalidCredentials):
            login.instance.login("ann", "wrong horse battery staple")
    login.go_on(login.begin())


def test_a_known_device_stays_known_and_counts_for_itself(login: Login) -> None:
    device_token = login.go_on(login.begin()).device_token
    assert device_token is not None
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            login.instance.login("ann", "wrong horse battery staple")
    login.go_on(login.begin(device_token=device_token))


def test_a_wrong_code_is_an_event(login: Login) -> None:
    token = login.begin()
    with pytest.raises(InvalidCode):
        login.go_on(token, WRONG)
    login.gate.failed.late.stop()
    user = login.instance.store.users.credentials_by_username("ann")
    assert user is not None
    events = login.instance.store.events.page_of(user.user.id, before=None, limit=10)
    assert [(event.action, event.details) for event in events if event.action == "login.failed"] == [
        ("login.failed", {"reason": "word"})
    ]


def test_without_the_store_nothing_is_opened(login: Login, away: Callable[[], None]) -> None:
    token = login.begin()
    away()
    with pytest.raises(Unavailable):
        login.go_on(token)


def test_the_store_keeps_no_token(login: Login) -> None:
    token = login.begin()
    assert login.instance.store.pending_logins.find(token, login.gate.clock() - timedelta(days=1)) is None
