"""What every store promises about authorization requests that wait."""

from datetime import timedelta

import pytest

from app.oauth.requests.model import StoredRequests
from tests.contract.entities import MINUTE, NOW, a_stored_request
from tests.contract.races import THREADS, InThreads
from tests.stores import Store


@pytest.fixture
def requests(store: Store) -> StoredRequests:
    return store.stored_requests


def test_a_request_comes_back_as_it_was_added(requests: StoredRequests) -> None:
    for request in (a_stored_request(), a_stored_request(pushed=True, parameters={"state": ("x" * 8000,)})):
        requests.add(request)
        assert requests.find(request.id, NOW) == request
    assert requests.find("f" * 64, NOW) is None


def test_a_request_that_has_expired_is_neither_found_nor_taken(requests: StoredRequests) -> None:
    request = a_stored_request()
    requests.add(request)
    assert requests.find(request.id, NOW + MINUTE) is None
    assert not requests.take(request.id, NOW + MINUTE)
    assert requests.take(request.id, NOW)
    assert requests.find(request.id, NOW) is None


def test_of_many_that_take_a_request_at_once_one_gets_it(requests: StoredRequests, in_threads: InThreads) -> None:
    for _ in range(4):
        request = a_stored_request()
        requests.add(request)
        taken = in_threads(lambda _, request=request: requests.take(request.id, NOW))  # type: ignore[misc]
        assert taken.count(True) == 1
        assert len(taken) == THREADS


def test_what_has_expired_is_deleted_in_batches(requests: StoredRequests) -> None:
    for minutes in (1, 1, 1, 3):
        requests.add(a_stored_request(expires_at=NOW + timedelta(minutes=minutes)))
    assert requests.delete_expired(NOW + MINUTE, 2) == 2
    assert requests.delete_expired(NOW + MINUTE, 10) == 1
    assert requests.delete_expired(NOW + MINUTE, 10) == 0
