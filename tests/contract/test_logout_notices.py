"""What every store promises about notices of logouts."""

from dataclasses import replace
from typing import Any

import pytest

from app.oauth.logout_notices.model import LogoutNotice, LogoutNotices
from app.platform.identifiers import new_id
from tests.contract.entities import MINUTE, NOW, a_logout_notice
from tests.contract.races import THREADS, InThreads
from tests.stores import Store


@pytest.fixture
def notices(store: Store) -> LogoutNotices:
    return store.logout_notices


def added(notices: LogoutNotices, **fields: Any) -> LogoutNotice:
    notice = a_logout_notice(**fields)
    notices.add([notice])
    return notice


def test_notices_come_back_when_they_are_due_those_due_longest_first(notices: LogoutNotices) -> None:
    later, first = added(notices, due_at=NOW), added(notices, due_at=NOW - MINUTE, client_id="https://client.example/a")
    added(notices, due_at=NOW + MINUTE)
    assert notices.due(NOW, 9) == [first, later]
    assert notices.due(NOW, 1) == [first]
    assert notices.due(NOW, 1, beside=[first.client_id]) == [later]
    assert notices.due(NOW, 9, beside=[first.client_id, later.client_id]) == []
    assert [notices.waiting(limit) for limit in (2, 9)] == [2, 3]


def test_a_session_is_told_of_once(notices: LogoutNotices) -> None:
    notice = added(notices)
    notices.add([replace(notice, attempts=3), other := a_logout_notice()])
    assert sorted(notices.due(NOW, 9), key=lambda each: each.id) == sorted((notice, other), key=lambda each: each.id)


def test_who_claims_a_notice_postpones_it(notices: LogoutNotices) -> None:
    notice = added(notices)
    assert notices.claim(notice, NOW + MINUTE)
    assert not notices.claim(notice, NOW + MINUTE)
    assert notices.due(NOW, 9) == []
    assert notices.due(NOW + MINUTE, 9) == [replace(notice, attempts=1, due_at=NOW + MINUTE)]
    notices.remove(notice.id)
    notices.remove(notice.id)
    assert not notices.claim(replace(notice, attempts=1), NOW + MINUTE)
    assert notices.waiting(9) == 0


def test_expired_notices_are_deleted_a_few_at_a_time(notices: LogoutNotices) -> None:
    for _ in range(3):
        added(notices, expires_at=NOW)
    added(notices, expires_at=NOW + MINUTE)
    assert [notices.delete_expired(NOW, 2) for _ in range(3)] == [2, 1, 0]


def test_of_all_that_claim_a_notice_at_once_one_gets_it(notices: LogoutNotices, in_threads: InThreads) -> None:
    for _ in range(4):
        notice = added(notices)
        assert in_threads(lambda _, notice=notice: notices.claim(notice, NOW + MINUTE)).count(True) == 1  # type: ignore[misc]


def test_of_all_that_add_a_notice_at_once_one_stays(notices: LogoutNotices, in_threads: InThreads) -> None:
    notice = a_logout_notice(id=new_id())
    assert in_threads(lambda _: notices.add([notice])) == [None] * THREADS
    assert notices.due(NOW, 99) == [notice]
