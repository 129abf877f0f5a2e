"""Guesses of mailed codes: after a hundred, a code is replaced and never valid again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.accounts.under_way import CODE_LIVES
from app.outbox.service import Outbox
from app.platform.errors import InvalidCode
from app.recovery.mailroom import Mailroom
from app.recovery.reset import ResetService
from app.recovery.verification import VerificationService
from app.throttle.guesses import KEPT, MOST_GENERATIONS, MOST_GUESSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.under_way import LiveCode
    from app.recovery.mailed_codes import MailedCodes
    from tests.api.service import FakeClock
    from tests.unit.instance import Instance

EMAIL, UNKNOWN = "ann@example.com", "nobody@example.com"
WRONG = "0000-0000"


@pytest.fixture
def codes(instance: Instance) -> MailedCodes:
    return instance.get(Mailroom).codes


@pytest.fixture
def live(instance: Instance) -> LiveCode:
    """The code of a registration whose mail was never answered."""
    account = instance.store.users.account(instance.register("ann", email=EMAIL))
    assert account is not None
    return account.codes[0]


def code(instance: Instance, codes: MailedCodes, live: LiveCode) -> str:
    """The code as it would be mailed now."""
    account = instance.store.users.account_by_email(EMAIL)
    assert account is not None
    return codes.code_for(EMAIL, "verify", account.user.id, live.id)


def guess(codes: MailedCodes, times: int, email: str = EMAIL) -> None:
    for _ in range(times):
        with pytest.raises(InvalidCode):
            codes.of_code(email, WRONG, "verify")


def test_a_code_that_was_guessed_at_a_hundred_times_is_dead_for_good(
    instance: Instance, codes: MailedCodes, live: LiveCode
) -> None:
    dead = code(instance, codes, live)
    for _ in range(4):
        guess(codes, MOST_GUESSES + 1)
        with pytest.raises(InvalidCode):
            codes.of_code(EMAIL, code(instance, codes, live), "verify")
        codes.replace_dead(EMAIL, "verify")
        with pytest.raises(InvalidCode):
            codes.of_code(EMAIL, dead, "verify")
        assert codes.of_code(EMAIL, code(instance, codes, live), "verify").code_id == live.id


def test_asking_again_gives_a_live_code_no_fresh_guesses(
    instance: Instance, codes: MailedCodes, live: LiveCode
) -> None:
    guess(codes, MOST_GUESSES - 1)
    mailed = code(instance, codes, live)
    codes.replace_dead(EMAIL, "verify")
    assert code(instance, codes, live) == mailed
    guess(codes, 1)
    with pytest.raises(InvalidCode):
        codes.of_code(EMAIL, mailed, "verify")


def test_a_right_code_does_not_count_as_a_guess(instance: Instance, codes: MailedCodes, live: LiveCode) -> None:
    guess(codes, MOST_GUESSES - 1)
    for _ in range(5):
        assert codes.of_code(EMAIL, code(instance, codes, live), "verify").code_id == live.id


def test_the_count_is_kept_for_as_long_as_any_code_lives(
    instance: Instance, codes: MailedCodes, live: LiveCode, clock: FakeClock
) -> None:
    assert CODE_LIVES["verify"] < KEPT
    dead = code(instance, codes, live)
    guess(codes, MOST_GUESSES)
    clock.now = live.expires_at - timedelta(milliseconds=1)
    with pytest.raises(InvalidCode):
        codes.of_code(EMAIL, dead, "verify")


def test_an_address_gets_as_many_codes_a_day_as_mails(codes: MailedCodes) -> None:
    for generation in range(MOST_GENERATIONS + 2):
        guess(codes, MOST_GUESSES)
        assert codes.guesses.generation(EMAIL, "verify") == min(generation, MOST_GENERATIONS - 1)
        codes.replace_dead(EMAIL, "verify")
    with pytest.raises(InvalidCode):
        codes.guesses.admit(EMAIL, "verify")


@pytest.mark.parametrize("use", ["verify", "reset"])
def test_guesses_take_the_same_calls_of_the_store_whether_there_is_an_account(
    instance: Instance, codes: MailedCodes, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    """Before and after the hundredth guess, and again when mail was asked for."""
    instance.register("ann", email=EMAIL)
    calls: list[str] = []
    store = instance.store
    for repository in (store.users, store.mail_requests, store.login_failures):
        for verb in [name for name in vars(type(repository)) if not name.startswith("_")]:
            watch(monkeypatch, type(repository), verb, calls)

    def made(email: str) -> list[list[str]]:
        steps = []
        for times, asks in ((1, False), (MOST_GUESSES, False), (1, True), (1, False)):
            if asks:
                ask = instance.get(ResetService).request if use == "reset" else instance.get(VerificationService).resend
                ask(email)
                instance.get(Outbox).deliver_due()
            calls.clear()
            for _ in range(times):
                with pytest.raises(InvalidCode):
                    codes.of_code(email, WRONG, "reset" if use == "reset" else "verify")
            steps.append(list(calls))
        return steps

    assert made(EMAIL) == made(UNKNOWN)


def watch(monkeypatch: pytest.MonkeyPatch, repository: type, verb: str, calls: list[str]) -> None:
    plain: Callable[..., object] = getattr(repository, verb)

    def noted(*arguments: object, **named: object) -> object:
        calls.append(f"{repository.__name__}.{verb}")
        return plain(*arguments, **named)

    monkeypatch.setattr(repository, verb, noted)
