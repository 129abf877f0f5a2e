"""What every store promises about revoked tokens."""

import pytest

from app.oauth.revoked_tokens.model import RevokedTokens
from app.platform.identifiers import new_id
from tests.contract.entities import MINUTE, NOW
from tests.contract.races import InThreads
from tests.stores import Store


@pytest.fixture
def revoked(store: Store) -> RevokedTokens:
    return store.repository(RevokedTokens)


def test_a_token_stays_revoked_until_it_has_expired(revoked: RevokedTokens) -> None:
    first, later = new_id(), new_id()
    revoked.add(first, NOW)
    revoked.add(later, NOW + MINUTE)
    assert [revoked.has(each) for each in (first, later, new_id())] == [True, True, False]
    assert revoked.delete_expired(NOW, 10) == 1
    assert [revoked.has(each) for each in (first, later)] == [False, True]


def test_a_token_that_is_revoked_again_and_at_once_stays_revoked(revoked: RevokedTokens, in_threads: InThreads) -> None:
    token = new_id()
    assert sum(in_threads(lambda _: revoked.add(token, NOW + MINUTE))) == 1
    assert not revoked.add(token, NOW + 2 * MINUTE)
    assert revoked.has(token)
    assert revoked.delete_expired(NOW + MINUTE, 10) == 1
