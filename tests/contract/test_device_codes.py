"""What every store promises about device codes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.accounts.account import Account
from app.accounts.model import User
from app.oauth.device_codes.model import (
    APPROVED,
    DENIED,
    KEPT,
    LONGEST_PAUSE,
    USED,
    Approval,
    DeviceCode,
    DeviceCodes,
    Polled,
)
from app.platform.identifiers import new_id
from tests.contract.entities import HASH, NOW, a_device_code, a_user
from tests.contract.races import THREADS, InThreads
from tests.stores import Store

CLIENT = new_id()
SECOND = timedelta(seconds=1)


@pytest.fixture
def codes(store: Store) -> DeviceCodes:
    return store.repository(DeviceCodes)


def a_code(**fields: object) -> DeviceCode:
    return a_device_code(**{"client_id": CLIENT} | fields)


def by(user: User, epoch: int = 0) -> Approval:
    return Approval(user.id, epoch, NOW, "pwd otp mfa")


def added(codes: DeviceCodes, **fields: object) -> DeviceCode:
    code = a_code(**fields)
    assert codes.add(code)
    return code


def test_a_code_comes_back_as_it_was_added(codes: DeviceCodes) -> None:
    code = added(codes)
    assert codes.find(code.id) == codes.find_by_user_code(code.user_code, NOW) == code
    assert codes.find("f" * 64) is None
    assert codes.find_by_user_code(code.id, NOW) is None
    assert codes.find_by_user_code(code.user_code, code.expires_at) is None


def test_two_devices_never_show_one_code(codes: DeviceCodes) -> None:
    code = added(codes)
    assert not codes.add(a_code(user_code=code.user_code))
    assert codes.find_by_user_code(code.user_code, NOW) == code


def test_a_poll_that_comes_too_early_makes_the_pause_longer(codes: DeviceCodes) -> None:
    code = added(codes)
    assert codes.poll(code.id, CLIENT, NOW) == Polled(replace(code, polled_at=NOW))
    assert codes.poll(code.id, CLIENT, NOW + SECOND).too_fast
    # 10 seconds from the last one now, and one of leeway
    assert codes.poll(code.id, CLIENT, NOW + 9 * SECOND).too_fast
    found = codes.poll(code.id, CLIENT, NOW + 23 * SECOND)
    assert found == Polled(replace(code, polled_at=NOW + 23 * SECOND, pause=15))
    assert codes.poll(code.id, CLIENT, NOW + 37 * SECOND) == Polled(
        replace(code, polled_at=NOW + 37 * SECOND, pause=15)
    )


def test_the_pause_has_a_longest(codes: DeviceCodes) -> None:
    code = added(codes, pause=LONGEST_PAUSE, polled_at=NOW)
    assert codes.poll(code.id, CLIENT, NOW + SECOND).too_fast
    found = codes.poll(code.id, CLIENT, NOW + (LONGEST_PAUSE - 1) * SECOND).code
    assert found is not None
    assert found.pause == LONGEST_PAUSE


def test_nobody_polls_with_the_code_of_another_client_or_none(codes: DeviceCodes) -> None:
    code = added(codes)
    assert codes.poll(code.id, new_id(), NOW) == Polled(None)
    assert codes.poll("f" * 64, CLIENT, NOW) == Polled(None)
    assert codes.find_by_user_code(code.user_code, NOW) == code


def test_what_has_ended_says_how_however_often_it_is_asked(codes: DeviceCodes) -> None:
    code = added(codes)
    for _ in range(2):
        assert codes.poll(code.id, CLIENT, code.expires_at) == Polled(code)
    assert codes.answer(code.id, None, NOW)
    for _ in range(2):
        assert codes.poll(code.id, CLIENT, NOW) == Polled(replace(code, status=DENIED))


def test_an_answer_counts_once_and_in_time(codes: DeviceCodes, ann: User) -> None:
    code = added(codes)
    assert not codes.answer(code.id, by(ann), code.expires_at)
    assert codes.answer(code.id, by(ann), NOW)
    assert not codes.answer(code.id, None, NOW)
    assert not codes.answer(code.id, by(ann), NOW)
    assert codes.find_by_user_code(code.user_code, NOW) is None
    approved = replace(code, status=APPROVED, **by(ann)._asdict())
    assert codes.poll(code.id, CLIENT, NOW) == Polled(replace(approved, polled_at=NOW))


def test_a_user_who_is_not_active_approves_nothing(store: Store, codes: DeviceCodes) -> None:
    for status in ("disabled", "deleted"):
        user = a_user(username=None, email=None, status=status)
        store.users.add(Account(user, HASH))
        assert not codes.answer(added(codes).id, by(user), NOW)


@pytest.mark.parametrize("epoch", [1, -1])
def test_whoever_is_in_another_epoch_approves_nothing(codes: DeviceCodes, ann: User, epoch: int) -> None:
    code = added(codes)
    assert not codes.answer(code.id, by(ann, epoch), NOW)
    assert codes.spend(code.id, CLIENT, NOW) is None


def test_whoever_is_gone_approves_nothing(codes: DeviceCodes, store: Store, ann: User) -> None:
    code = added(codes)
    store.users.remove(ann.id)
    assert not codes.answer(code.id, by(ann), NOW)
    assert codes.spend(code.id, CLIENT, NOW) is None


def test_an_approved_code_is_spent_by_its_client_in_time_and_once(codes: DeviceCodes, ann: User) -> None:
    code = added(codes)
    assert codes.spend(code.id, CLIENT, NOW) is None
    codes.answer(code.id, by(ann), NOW)
    assert codes.spend(code.id, new_id(), NOW) is None
    assert codes.spend(code.id, CLIENT, code.expires_at) is None
    spent = codes.spend(code.id, CLIENT, NOW)
    assert spent == replace(code, status=USED, **by(ann)._asdict())
    assert codes.spend(code.id, CLIENT, NOW) is None
    assert codes.poll(code.id, CLIENT, NOW) == Polled(spent)


def test_a_denied_code_is_never_spent(codes: DeviceCodes, ann: User) -> None:
    code = added(codes)
    codes.answer(code.id, None, NOW)
    assert not codes.answer(code.id, by(ann), NOW)
    assert codes.spend(code.id, CLIENT, NOW) is None


def test_codes_are_kept_for_a_while_behind_their_expiry(codes: DeviceCodes) -> None:
    for _ in range(3):
        added(codes, expires_at=NOW)
    assert codes.delete_expired(NOW + KEPT - SECOND, 9) == 0
    assert [codes.delete_expired(NOW + KEPT, 2) for _ in range(3)] == [2, 1, 0]


def test_what_a_user_approved_is_deleted_a_few_at_a_time(codes: DeviceCodes, ann: User) -> None:
    for _ in range(3):
        codes.answer(added(codes).id, by(ann), NOW)
    waiting = added(codes)
    assert [codes.remove_some_of(ann.id, 2) for _ in range(3)] == [2, 1, 0]
    assert codes.find_by_user_code(waiting.user_code, NOW) == waiting


def test_of_all_that_spend_a_code_at_once_one_gets_it(codes: DeviceCodes, ann: User, in_threads: InThreads) -> None:
    for _ in range(4):
        code = added(codes)
        codes.answer(code.id, by(ann), NOW)
        results = in_threads(lambda _number, code=code: codes.spend(code.id, CLIENT, NOW))  # type: ignore[misc]
        assert [result is None for result in results].count(False) == 1


def test_of_all_answers_at_once_one_counts(codes: DeviceCodes, ann: User, in_threads: InThreads) -> None:
    for _ in range(4):
        code = added(codes)
        results = in_threads(
            lambda number, code=code: codes.answer(code.id, by(ann) if number % 2 else None, NOW)  # type: ignore[misc]
        )
        assert results.count(True) == 1
        spent = codes.spend(code.id, CLIENT, NOW)
        assert (spent is not None) == bool(results.index(True) % 2)


def test_of_all_polls_at_once_one_comes_in_time(codes: DeviceCodes, in_threads: InThreads) -> None:
    code = added(codes)
    results = in_threads(lambda _number: codes.poll(code.id, CLIENT, NOW).too_fast)
    assert results.count(True) == THREADS - 1
    assert codes.poll(code.id, CLIENT, NOW + (LONGEST_PAUSE - 2) * SECOND).too_fast


def test_a_deletion_beside_an_approval_leaves_nothing(codes: DeviceCodes, store: Store, in_threads: InThreads) -> None:
    for _ in range(4):
        user = a_user()
        store.users.add(Account(user, HASH))
        code = added(codes)

        def act(number: int, user: User = user, code: DeviceCode = code) -> None:
            if number % 2:
                codes.answer(code.id, by(user), NOW)
            else:
                store.users.remove(user.id)
                codes.remove_some_of(user.id, 10)

        in_threads(act)
        assert codes.remove_some_of(user.id, 10) == 0
