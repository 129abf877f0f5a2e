"""A device token makes a device known to one user, until their epoch changes or it is too old."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.security.secret_keys import SecretKeys
from app.throttle import device_tokens
from app.throttle.device_tokens import LIVES, DeviceTokens, KnownDevice
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from tests.api.service import FakeClock

USER = "0192d5e0-0000-7000-8000-000000000001"
OTHER_USER = "0192d5e0-0000-7000-8000-000000000002"


@pytest.fixture
def devices(secrets: SecretKeys, clock: FakeClock) -> DeviceTokens:
    return DeviceTokens(secrets, clock)


def test_a_token_makes_one_device_known_to_its_user(devices: DeviceTokens) -> None:
    first, second = devices.make(USER, 3), devices.make(USER, 3)
    assert len(first) == len(second) == 72
    known = [devices.device_of(token, USER, 3) for token in (first, first, second)]
    assert known[0] == known[1] != known[2]
    assert None not in known


def test_a_device_keeps_its_identifier_with_a_new_token(devices: DeviceTokens, clock: FakeClock) -> None:
    device = devices.device_of(devices.make(USER, 3), USER, 3)
    clock.advance(60)
    assert devices.device_of(devices.make(USER, 3, device), USER, 3) == device


@pytest.mark.parametrize(("user_id", "epoch"), [(OTHER_USER, 3), (None, 0), (None, 3), (USER, 2), (USER, 4)])
def test_a_token_is_good_for_no_other_user_and_in_no_other_epoch(
    devices: DeviceTokens, user_id: str | None, epoch: int
) -> None:
    assert devices.device_of(devices.make(USER, 3), user_id, epoch) is None


@pytest.mark.parametrize("at", range(54))
def test_a_token_with_a_changed_byte_is_good_for_nobody(devices: DeviceTokens, at: int) -> None:
    content = bytearray(urlsafe_b64decode(devices.make(USER, 3)))
    content[at] ^= 1
    assert devices.device_of(urlsafe_b64encode(content).decode(), USER, 3) is None


@pytest.mark.parametrize("token", ["", "x", "A" * 72, "A" * 73, "ä" * 72, "\0" * 72, "A" * 100_000])
def test_a_text_that_is_no_token_is_good_for_nobody(devices: DeviceTokens, token: str) -> None:
    assert devices.device_of(token, USER, 3) is None


def test_a_token_is_too_old_after_180_days(devices: DeviceTokens, clock: FakeClock) -> None:
    clock.now = clock.now.replace(microsecond=0)
    token = devices.make(USER, 3)
    clock.now += LIVES
    assert devices.device_of(token, USER, 3) is None
    clock.advance(-1)
    assert devices.device_of(token, USER, 3) is not None


def test_a_token_of_a_former_secret_is_good_as_long_as_that_is_a_fallback(
    devices: DeviceTokens, clock: FakeClock
) -> None:
    token, new = devices.make(USER, 3), "nR3vK8sW1xZ6qT4yM9bH2jD7fL5gP0cA-eU_oI"
    assert DeviceTokens(SecretKeys(new, [SETTINGS["SECRET_KEY"]]), clock).device_of(token, USER, 3) is not None
    assert DeviceTokens(SecretKeys(new), clock).device_of(token, USER, 3) is None


def trusting(devices: DeviceTokens, days: int) -> DeviceTokens:
    return replace(devices, trust_days=days)


def test_a_trusted_device_is_trusted_until_its_days_are_over_and_known_beyond(
    devices: DeviceTokens, clock: FakeClock
) -> None:
    devices = trusting(devices, 30)
    trust = devices.trust_since(clock())
    token = devices.make(USER, 3, None, trust)
    assert len(token) == 80
    device = devices.known(token, USER, 3)
    assert device is not None
    assert device.trust == trust

    clock.advance(30 * 86400 - 1)
    assert devices.known(token, USER, 3) == device
    clock.advance(1)
    assert devices.known(token, USER, 3) == KnownDevice(device.id)


def test_the_trust_of_a_token_in_the_place_of_another_is_as_old(devices: DeviceTokens, clock: FakeClock) -> None:
    devices = trusting(devices, 2)
    trust = devices.trust_since(clock())
    for _ in range(2):
        device = devices.known(devices.make(USER, 3, None, trust), USER, 3)
        assert device is not None
        assert device.trust == trust
        clock.advance(86400)
    assert devices.known(devices.make(USER, 3, None, trust), USER, 3) != device


@pytest.mark.parametrize(("given", "now", "lasts"), [(30, 0, 0), (30, 10, 10), (10, 30, 10)])
def test_trust_lasts_as_long_as_both_settings_say(
    devices: DeviceTokens, clock: FakeClock, given: int, now: int, lasts: int
) -> None:
    token = devices.make(USER, 3, None, trusting(devices, given).trust_since(clock()))
    reading = trusting(devices, now)
    for days in range(31):
        device = reading.known(token, USER, 3)
        assert device is not None
        assert (device.trust is not None) is (days < lasts)
        clock.advance(86400)


@pytest.mark.parametrize("at", range(60))
def test_a_token_with_trust_of_which_a_byte_is_changed_is_good_for_nobody(
    devices: DeviceTokens, clock: FakeClock, at: int
) -> None:
    devices = trusting(devices, 30)
    content = bytearray(urlsafe_b64decode(devices.make(USER, 3, None, devices.trust_since(clock()))))
    content[at] ^= 1
    assert devices.known(urlsafe_b64encode(content).decode(), USER, 3) is None


@pytest.mark.parametrize(("user_id", "epoch"), [(USER, 4), (USER, 2), (OTHER_USER, 3), (None, 3)])
def test_trust_is_the_user_s_in_this_epoch_alone(
    devices: DeviceTokens, clock: FakeClock, user_id: str | None, epoch: int
) -> None:
    devices = trusting(devices, 30)
    token = devices.make(USER, 3, None, devices.trust_since(clock()))
    assert devices.known(token, user_id, epoch) is None


def test_a_plain_token_cannot_be_made_one_with_trust_nor_the_other_way_round(
    devices: DeviceTokens, clock: FakeClock
) -> None:
    devices = trusting(devices, 30)
    plain = urlsafe_b64decode(devices.make(USER, 3))
    with_trust = urlsafe_b64decode(devices.make(USER, 3, None, devices.trust_since(clock())))
    for forged in (
        plain[:22] + bytes(6) + plain[22:],
        b"\0\2" + plain[2:22] + with_trust[22:28] + plain[22:],
        with_trust[:22] + with_trust[28:],
        b"\0\1" + with_trust[2:22] + with_trust[28:],
    ):
        assert devices.known(urlsafe_b64encode(forged).decode(), USER, 3) is None


@pytest.mark.parametrize("constant", ["_VERSION", "_TRUSTED"])
def test_a_token_of_a_version_that_is_not_known_here_is_good_for_nobody(
    devices: DeviceTokens, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, constant: str
) -> None:
    devices = trusting(devices, 30)
    with monkeypatch.context() as newer:
        newer.setattr(device_tokens, constant, 3)
        token = devices.make(USER, 3, None, devices.trust_since(clock()) if constant == "_TRUSTED" else None)
        assert devices.known(token, USER, 3) is not None
    assert devices.known(token, USER, 3) is None
