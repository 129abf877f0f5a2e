"""The ledger notes a broken promise, and holds nothing against the service that a 503 or a lost reply leaves open."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.ledger import LOST, Account, Answer, Mailed

OPEN = [Answer(503, {"code": "unavailable"}), Answer(LOST)]
WRONG = Answer(401, {"code": "invalid_credentials"})
ENDED = Answer(401, {"code": "session_ended"})
DONE = Answer(200)


def tokens(number: int, status: int = 200) -> Answer:
    return Answer(status, {"data": {"access_token": f"access {number}", "refresh_token": f"refresh {number}"}})


@pytest.fixture
def ann() -> Account:
    """An account that is registered, with one session."""
    account = Account("ann", "first")
    account.registration(tokens(1, 201))
    return account


def second_registration(ann: Account) -> None:
    ann.registration(tokens(2, 201))


def lost_password(ann: Account) -> None:
    ann.login(WRONG, "first")


def former_password(ann: Account) -> None:
    ann.password_change(DONE, ann.sessions[0], "second")
    ann.login(tokens(2), "first")


def lost_change(ann: Account) -> None:
    ann.password_change(DONE, ann.sessions[0], "second")
    ann.login(WRONG, "second")


def lost_session(ann: Account) -> None:
    ann.use(ENDED, ann.sessions[0])


def lost_refresh(ann: Account) -> None:
    ann.refresh([Answer(401, {"code": "invalid_refresh_token"})], ann.sessions[0])


def revived_session(ann: Account) -> None:
    ann.logout(DONE, ann.sessions[0])
    ann.use(DONE, ann.sessions[0])


def session_that_outlives_a_reset(ann: Account) -> None:
    ann.mailed.append(Mailed("token"))
    ann.reset([(DONE, "second")], ann.mailed[0])
    ann.use(DONE, ann.sessions[0])


def refresh_token_spent_twice(ann: Account) -> None:
    ann.refresh([tokens(2), tokens(3)], ann.sessions[0])


def mailed_token_spent_twice(ann: Account) -> None:
    ann.mailed.append(Mailed("token"))
    ann.reset([(DONE, "second"), (DONE, "third")], ann.mailed[0])


def mailed_token_refused(ann: Account) -> None:
    ann.asked_for_mail(DONE)
    ann.arrived("token")
    ann.reset([(Answer(422, {"code": "invalid_code"}), "second")], ann.mailed[0])


def lost_event(ann: Account) -> None:
    ann.events(Counter({"user.registered": 1}))


def event_of_nothing(ann: Account) -> None:
    ann.events(Counter({"user.registered": 1, "session.opened": 2}))


@pytest.mark.parametrize(
    "promise",
    [
        second_registration, lost_password, former_password, lost_change, lost_session, lost_refresh, revived_session,
        session_that_outlives_a_reset, refresh_token_spent_twice, mailed_token_spent_twice, mailed_token_refused,
        lost_event, event_of_nothing,
    ],
)  # fmt: skip
def test_a_broken_promise_is_noted(promise: Callable[[Account], None], ann: Account) -> None:
    promise(ann)
    assert len(ann.broken) == 1


@pytest.mark.parametrize("left_open", OPEN)
def test_a_registration_that_was_left_open_may_have_happened(left_open: Answer) -> None:
    ann = Account("ann", "first")
    ann.registration(left_open)
    ann.registration(Answer(409, {"code": "username_taken"}))
    ann.login(tokens(1), "first")
    assert (ann.exists, ann.broken) == (True, [])


@pytest.mark.parametrize("left_open", OPEN)
def test_a_change_of_the_password_that_was_left_open_may_take_effect_now_later_or_never(
    left_open: Answer, ann: Account
) -> None:
    ann.password_change(left_open, ann.sessions[0], "second")
    ann.login(WRONG, "second")
    ann.login(tokens(2), "first")
    ann.login(WRONG, "first")
    ann.use(ENDED, ann.sessions[1])
    ann.login(tokens(3), "second")
    assert ann.broken == []
    ann.login(tokens(4), "first")
    assert ann.broken == ["ann: a former password was accepted"]


@pytest.mark.parametrize("left_open", OPEN)
def test_a_logout_that_was_left_open_ends_the_session_or_not(left_open: Answer, ann: Account) -> None:
    ann.logout(left_open, ann.sessions[0])
    ann.use(DONE, ann.sessions[0])
    ann.use(ENDED, ann.sessions[0])
    assert ann.broken == []
    ann.events(Counter({"user.registered": 1, "session.opened": 1, "session.ended": 1}))
    assert ann.broken == []


@pytest.mark.parametrize("left_open", OPEN)
def test_a_mailed_token_whose_redemption_was_left_open_may_be_spent_but_not_twice(
    left_open: Answer, ann: Account
) -> None:
    ann.mailed.append(Mailed("token"))
    ann.reset([(left_open, "second"), (left_open, "third")], ann.mailed[0])
    ann.reset([(Answer(422, {"code": "invalid_code"}), "fourth")], ann.mailed[0])
    assert ann.broken == []
    ann.events(Counter({"user.registered": 1, "session.opened": 1, "password.reset": 2}))
    assert ann.broken == ["ann: 2 events password.reset instead of 0 to 1"]


def test_an_access_token_is_refreshed_before_its_time_only_where_the_clock_jumps(ann: Account) -> None:
    refused = Answer(401, {"code": "invalid_token"})
    ann.clock_jumps = True
    ann.use(refused, ann.sessions[0])
    assert (ann.sessions[0].state, ann.broken) == ("live", [])
    ann.clock_jumps = False
    ann.use(refused, ann.sessions[0])
    assert ann.broken == ["ann: a session was lost (invalid_token)"]
