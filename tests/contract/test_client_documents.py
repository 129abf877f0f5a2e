"""What every store promises about the documents of clients."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.oauth.client_documents.model import ClientDocuments
from tests.contract.entities import MINUTE, NOW, a_client_document
from tests.contract.races import InThreads
from tests.stores import Store

SECOND = timedelta(seconds=1)


@pytest.fixture
def documents(store: Store) -> ClientDocuments:
    return store.client_documents


def test_a_document_is_found_as_it_was_kept_until_it_has_expired(documents: ClientDocuments) -> None:
    document, other = a_client_document(document='{"a": "' + "é$.\U0001f600" * 400 + '"}'), a_client_document()
    assert documents.find(document.id, NOW) is None
    documents.keep(document)
    documents.keep(other)
    assert documents.find(document.id, NOW + MINUTE - SECOND) == document
    assert documents.find(document.id, NOW + MINUTE) is None
    assert documents.find(other.id, NOW) == other


def test_the_longest_document_is_kept(documents: ClientDocuments) -> None:
    url = "https://client.example/" + "a" * 377
    longest = a_client_document(url=url, document="é" * 2560)
    documents.keep(longest)
    assert documents.find(longest.id, NOW) == longest


def test_a_document_that_is_fetched_again_takes_the_place_of_the_former(documents: ClientDocuments) -> None:
    former = a_client_document()
    again = replace(former, document="{}", fetched_at=NOW + MINUTE, expires_at=NOW + 2 * MINUTE)
    for each in (former, again):
        documents.keep(each)
    assert documents.find(former.id, NOW + MINUTE) == again


def test_one_that_was_fetched_earlier_does_not_come_back(documents: ClientDocuments) -> None:
    later = a_client_document(fetched_at=NOW)
    documents.keep(later)
    documents.keep(replace(later, document="{}", fetched_at=NOW - SECOND, expires_at=NOW + 5 * MINUTE))
    assert documents.find(later.id, NOW) == later


def test_of_many_that_are_kept_at_once_the_latest_stays(documents: ClientDocuments, in_threads: InThreads) -> None:
    first = a_client_document()
    kept = [replace(first, document=str(number), fetched_at=NOW + number * SECOND) for number in range(16)]
    in_threads(lambda number: documents.keep(kept[number]))
    found = documents.find(first.id, NOW)
    assert found is not None
    documents.keep(first)
    assert documents.find(first.id, NOW) == found
    assert found == max(kept, key=lambda each: each.fetched_at)


def test_a_document_is_removed_once(documents: ClientDocuments) -> None:
    document, other = a_client_document(), a_client_document()
    for each in (document, other):
        documents.keep(each)
    assert [documents.remove(document.id) for _ in range(2)] == [True, False]
    assert (documents.find(document.id, NOW), documents.find(other.id, NOW)) == (None, other)


def test_expired_documents_are_deleted_some_at_a_time(documents: ClientDocuments) -> None:
    expired = [a_client_document(expires_at=NOW) for _ in range(3)]
    live = a_client_document(expires_at=NOW + SECOND)
    for each in (*expired, live):
        documents.keep(each)
    assert [documents.delete_expired(NOW, 2) for _ in range(3)] == [2, 1, 0]
    assert documents.find(live.id, NOW) == live
