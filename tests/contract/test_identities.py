"""What every store promises about accounts at providers."""

from dataclasses import replace

import pytest

from app.platform.identifiers import new_id
from app.social.identities.model import Identities, Identity, digest_of
from tests.contract.entities import MINUTE, NOW
from tests.contract.races import THREADS, InThreads
from tests.stores import Store

ISSUER = "https://issuer.example"


@pytest.fixture
def identities(store: Store) -> Identities:
    return store.repository(Identities)


def an_identity(subject: str | None = None, **fields: object) -> Identity:
    subject = subject or new_id()
    identity = Identity(
        new_id(), digest_of(ISSUER, subject), new_id(), "google", ISSUER, subject, "ann@example.com", NOW
    )
    return replace(identity, **fields)  # type: ignore[arg-type]


def test_an_identity_comes_back_as_it_was_added(identities: Identities) -> None:
    for identity in (an_identity(), an_identity("ñ" * 255, email=None, last_used_at=NOW)):
        assert identities.add(identity)
        assert identities.find(identity.digest) == identity
        assert identities.of_user(identity.user_id) == [identity]
    assert identities.find("f" * 64) is None


def test_issuer_and_subject_tell_identities_apart(identities: Identities) -> None:
    one = an_identity("ann")
    assert identities.add(one)
    assert not identities.add(an_identity("ann"))
    others = [digest_of(ISSUER, "Ann"), digest_of(ISSUER, "ann "), digest_of(f"{ISSUER}/", "ann")]
    for digest in others:
        assert identities.add(an_identity("ann", digest=digest))
    assert identities.find(one.digest) == one


def test_the_identities_of_a_user_are_listed_the_oldest_first(identities: Identities) -> None:
    user = new_id()
    added = [an_identity(user_id=user) for _ in range(3)]
    for identity in (added[1], added[2], added[0], an_identity()):
        identities.add(identity)
    assert identities.of_user(user) == sorted(added, key=lambda each: each.id)


def test_a_use_is_noted_and_a_removed_identity_is_gone(identities: Identities) -> None:
    one = an_identity()
    identities.add(one)
    identities.touch(one.id, NOW + MINUTE)
    assert identities.find(one.digest) == replace(one, last_used_at=NOW + MINUTE)
    for _ in range(2):
        identities.remove(one.id)
        identities.touch(one.id, NOW)
        assert identities.find(one.digest) is None
    assert identities.add(replace(one, id=new_id()))


def test_the_identities_of_a_user_are_deleted_a_few_at_a_time(identities: Identities) -> None:
    user = new_id()
    for _ in range(3):
        identities.add(an_identity(user_id=user))
    assert [identities.remove_some_of(user, 2) for _ in range(3)] == [2, 1, 0]


def test_of_all_who_claim_an_identity_at_once_one_gets_it(identities: Identities, in_threads: InThreads) -> None:
    for _ in range(4):
        subject = new_id()
        claims = in_threads(lambda _, subject=subject: identities.add(an_identity(subject)))  # type: ignore[misc]
        assert sorted(claims) == [False] * (THREADS - 1) + [True]
