"""A registration keeps a new user, once for each name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from app.accounts.registration import RESERVED, NewAccount, RegistrationService
from app.platform.errors import EmailTaken, InvalidCredentials, TooManyRequests, UsernameTaken
from tests.api.service import PASSWORD, FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.instance import Instance


def test_a_new_user_is_kept_as_given_with_nothing_verified(instance: Instance, clock: FakeClock) -> None:
    account = NewAccount(password=PASSWORD, email="Ann@example.com", username="Ann", name="Ann Example")

    made = instance.get(RegistrationService).register(account)
    kept = instance.store.users.credentials_by_email("ann@example.com")

    assert kept == made
    user = made.user
    assert (user.email, user.username, user.name) == ("Ann@example.com", "Ann", "Ann Example")
    assert (user.email_verified, user.status, user.roles) == (False, "active", ("member",))
    assert (user.created_at, user.last_login_at) == (clock.now, None)
    assert made.auth_epoch == 0


def test_the_password_is_kept_as_a_hash_alone_and_never_shown(instance: Instance) -> None:
    account = NewAccount(password=PASSWORD, username="ann")
    made = instance.get(RegistrationService).register(account)

    assert made.password_hash is not None
    assert made.password_hash.startswith("$2b$04$")
    assert made.password_hash not in repr(made)


def test_the_default_roles_are_those_of_the_setting(start: Callable[..., Instance]) -> None:
    instance = start(DEFAULT_ROLES="member,admin")

    assert instance.login_of("ann").user.roles == ("member", "admin")


def test_an_operator_who_creates_an_account_chooses_its_roles(instance: Instance) -> None:
    made = instance.get(RegistrationService).register(NewAccount(password=PASSWORD, username="ann"), roles=("admin",))

    assert made.user.roles == ("admin",)


@pytest.mark.parametrize("name", [*sorted(RESERVED), "ADMIN", "Root"])
def test_a_reserved_name_is_taken_in_any_case(name: str, instance: Instance) -> None:
    with pytest.raises(UsernameTaken):
        instance.register(name)


@pytest.mark.parametrize("name", ["admin1", "the-admin", "roots"])
def test_a_name_that_only_holds_a_reserved_one_is_free(name: str, instance: Instance) -> None:
    assert instance.register(name)


def test_a_taken_name_is_refused_in_any_case_the_address_first(instance: Instance) -> None:
    instance.register("ann", email="ann@bücher.example")

    with pytest.raises(UsernameTaken):
        instance.register("ANN", email="bob@example.com")
    for email in ("ANN@bücher.example", "ann@xn--bcher-kva.example"):
        with pytest.raises(EmailTaken):
            instance.register("ANN", email=email)


def test_of_sixteen_concurrent_registrations_of_one_name_exactly_one_succeeds(instance: Instance) -> None:
    barrier = Barrier(16)

    def register(number: int) -> None:
        barrier.wait()
        instance.register(f"ann{number}", email="ann@example.com")

    with ThreadPoolExecutor(16) as threads:
        registrations = [threads.submit(register, number) for number in range(16)]

    outcomes = [registration.exception() for registration in registrations]
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, EmailTaken) for outcome in outcomes) == 15


@pytest.mark.parametrize("name", ["ann", "ann@example.com"])
def test_guesses_at_a_name_that_was_free_do_not_close_it_to_whoever_registers_it(name: str, instance: Instance) -> None:
    for _ in range(10):
        with suppress(InvalidCredentials):
            instance.login(name, "a wrong password")
    with pytest.raises(TooManyRequests):
        instance.login(name, "a wrong password")

    user_id = instance.register("ann", email="ann@example.com")

    assert instance.login(name).user.id == user_id
