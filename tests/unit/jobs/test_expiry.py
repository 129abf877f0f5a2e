"""The purge frees the space of what has expired, and of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.jobs import expiry as purge_module
from app.jobs.expiry import ExpiryService
from app.platform.errors import InvalidCredentials, SessionEnded
from app.sessions.authenticator import AccessTokenAuthenticator

if TYPE_CHECKING:
    from tests.api.service import FakeClock
    from tests.unit.instance import Instance

DAY = 24 * 60 * 60


def fail(instance: Instance, name: str) -> None:
    with pytest.raises(InvalidCredentials):
        instance.login(name, "wrong horse battery staple")


def test_expired_sessions_and_forgotten_failures_go_and_live_ones_stay(instance: Instance, clock: FakeClock) -> None:
    old = instance.login_of("ann")
    fail(instance, "bob")
    clock.advance(365 * DAY)
    fresh = instance.login("ann")
    fail(instance, "eve")

    # A session, the counts of the name and of the account that it did not lead to, and two events.
    assert instance.get(ExpiryService).delete_expired() == 5
    assert instance.get(ExpiryService).delete_expired() == 0

    assert instance.get(AccessTokenAuthenticator).authenticate(fresh.access_token).user.id == old.user.id
    clock.advance(-365 * DAY)
    with pytest.raises(SessionEnded):
        instance.get(AccessTokenAuthenticator).authenticate(old.access_token)


def test_a_purge_without_work_does_nothing(instance: Instance) -> None:
    instance.login_of("ann")

    assert instance.get(ExpiryService).delete_expired() == 0


def test_a_purge_goes_on_in_small_steps_and_leaves_the_rest_to_the_next_one(
    instance: Instance, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.platform.pieces.AT_ONCE", 2)
    monkeypatch.setattr(purge_module, "_MOST", 2)
    instance.register("ann")
    for _ in range(5):
        instance.login("ann")
    clock.advance(30 * DAY)

    assert [instance.get(ExpiryService).delete_expired() for _ in range(3)] == [4, 1, 0]
