"""Documents that others publish are kept for a while, and nobody can have their servers asked again and again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from app.config.egress_values import destination
from app.platform import deadline
from app.security.egress import Egress
from app.security.published import (
    KEPT_FOR,
    RESTS_FOR,
    PublishedDocuments,
    RefusedUrlError,
    UnansweredError,
    WrongReplyError,
    metadata_url,
)
from tests.unit.ticking import Ticking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers.openid import Provider

SECONDS = 5.0


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def documents(upstream: Provider, clock: Ticking) -> PublishedDocuments:
    upstream.reset()
    upstream.key_id = "one"
    upstream.requests.clear()
    return PublishedDocuments(Egress((destination("127.0.0.1"),)), SECONDS, clock)


def issuer_of(found: Mapping[str, Any]) -> str:
    """Judges metadata."""
    issuer = found["issuer"]
    if not isinstance(issuer, str):
        raise WrongReplyError("named no issuer")
    return issuer


def read(documents: PublishedDocuments, upstream: Provider) -> str:
    return documents.read(metadata_url(upstream.url), issuer_of)


def key_id_of(documents: PublishedDocuments, upstream: Provider, key_id: str) -> str | None:
    found = documents.key(f"{upstream.url}/keys", key_id)
    return None if found is None else found.key_id


def asked(upstream: Provider) -> list[str]:
    return [path for path, _, _ in upstream.requests]


def test_a_document_is_kept_for_an_hour(documents: PublishedDocuments, upstream: Provider, clock: Ticking) -> None:
    for _ in range(2):
        assert read(documents, upstream) == upstream.url
        assert key_id_of(documents, upstream, "one") == "one"
    assert asked(upstream) == ["/.well-known/openid-configuration", "/keys"]
    clock.seconds += KEPT_FOR
    read(documents, upstream)
    key_id_of(documents, upstream, "one")
    assert asked(upstream) == ["/.well-known/openid-configuration", "/keys"] * 2


def test_a_new_key_is_found_at_once_and_a_key_that_is_none_costs_one_request_a_minute(
    documents: PublishedDocuments, upstream: Provider, clock: Ticking
) -> None:
    key_id_of(documents, upstream, "one")
    upstream.key_id = "two"
    assert key_id_of(documents, upstream, "two") == "two"
    upstream.requests.clear()
    for wait, requests in ((0, 0), (59, 0), (1, 1), (0, 1), (59, 1), (1, 2)):
        clock.seconds += wait
        assert key_id_of(documents, upstream, "none") is None
        assert len(upstream.requests) == requests
    assert key_id_of(documents, upstream, "two") == "two"


def test_a_key_that_was_withdrawn_is_forgotten_after_an_hour(
    documents: PublishedDocuments, upstream: Provider, clock: Ticking
) -> None:
    key_id_of(documents, upstream, "one")
    upstream.key_id = "two"
    clock.seconds += KEPT_FOR
    assert key_id_of(documents, upstream, "one") is None


def test_of_all_who_need_a_document_at_once_one_asks_for_it(documents: PublishedDocuments, upstream: Provider) -> None:
    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(lambda _: read(documents, upstream), range(16))) == {upstream.url}
        assert set(threads.map(lambda _: key_id_of(documents, upstream, "none"), range(16))) == {None}
    assert asked(upstream) == ["/.well-known/openid-configuration", "/keys", "/keys"]


@pytest.mark.parametrize("is_down", [True, False], ids=["silent", "wrong"])
def test_a_server_that_gave_no_document_rests(
    documents: PublishedDocuments, upstream: Provider, clock: Ticking, *, is_down: bool
) -> None:
    upstream.is_down, upstream.raw = is_down, b"[]"
    failures = []
    for _ in range(3):
        with pytest.raises(UnansweredError if is_down else WrongReplyError) as failure:
            read(documents, upstream)
        failures.append(str(failure.value))
    assert (len(set(failures)), len(upstream.requests)) == (1, 1)
    upstream.reset()
    clock.seconds += RESTS_FOR
    assert read(documents, upstream) == upstream.url


def test_what_a_feature_does_not_accept_is_not_kept(
    documents: PublishedDocuments, upstream: Provider, clock: Ticking
) -> None:
    upstream.metadata = {"issuer": 5}
    with pytest.raises(WrongReplyError, match="named no issuer"):
        read(documents, upstream)
    upstream.metadata = {}
    clock.seconds += RESTS_FOR
    assert read(documents, upstream) == upstream.url


def test_a_request_without_the_time_for_it_asks_nobody_and_keeps_nobody_from_asking(
    documents: PublishedDocuments, upstream: Provider
) -> None:
    with deadline.begin(0), pytest.raises(UnansweredError):
        read(documents, upstream)
    assert asked(upstream) == []
    assert read(documents, upstream) == upstream.url


def test_a_server_that_is_slow_for_one_request_is_asked_by_the_next(
    documents: PublishedDocuments, upstream: Provider
) -> None:
    upstream.is_down = True
    with deadline.begin(SECONDS / 2), pytest.raises(UnansweredError):
        read(documents, upstream)
    upstream.is_down = False
    assert read(documents, upstream) == upstream.url


def test_an_address_that_the_guard_refuses_is_not_asked(upstream: Provider) -> None:
    with pytest.raises(RefusedUrlError, match="https"):
        read(PublishedDocuments(Egress(), SECONDS), upstream)


def test_a_key_set_and_metadata_at_one_address_are_not_mistaken_for_each_other(
    documents: PublishedDocuments, upstream: Provider
) -> None:
    url = metadata_url(upstream.url)
    assert documents.key(url, None) is None
    assert documents.read(url, issuer_of) == upstream.url
