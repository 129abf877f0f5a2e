"""Codes of authenticator apps are those of RFC 6238; their secrets are sealed for one user."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from app.accounts.account import Account
from app.factors.totp import TotpParameters, TotpVault
from app.platform.errors import InvalidCode, Unavailable
from app.platform.identifiers import new_id
from app.security.secret_keys import SecretKeys
from tests.api.service import SETTINGS
from tests.contract.entities import HASH, a_user

if TYPE_CHECKING:
    from tests.api.service import FakeClock
    from tests.stores import Store

SEEDS = {
    "SHA1": b"12345678901234567890",
    "SHA256": b"12345678901234567890123456789012",
    "SHA512": b"1234567890" * 6 + b"1234",
}
VECTORS = [
    (59, "SHA1", "94287082"), (59, "SHA256", "46119246"), (59, "SHA512", "90693936"),
    (1111111109, "SHA1", "07081804"), (1111111109, "SHA256", "68084774"), (1111111109, "SHA512", "25091201"),
    (1111111111, "SHA1", "14050471"), (1111111111, "SHA256", "67062674"), (1111111111, "SHA512", "99943326"),
    (1234567890, "SHA1", "89005924"), (1234567890, "SHA256", "91819424"), (1234567890, "SHA512", "93441116"),
    (2000000000, "SHA1", "69279037"), (2000000000, "SHA256", "90698825"), (2000000000, "SHA512", "38618901"),
    (20000000000, "SHA1", "65353130"), (20000000000, "SHA256", "77737706"), (20000000000, "SHA512", "47863826"),
]  # fmt: skip
"""RFC 6238 appendix B."""
NEW_SECRET = "Zt4mYq8wX2nB6vK0pR9sL3hD7fG1jC5a-uE_iO"


@pytest.mark.parametrize(("seconds", "algorithm", "code"), VECTORS)
def test_the_codes_of_the_rfc_are_accepted_at_their_time(seconds: int, algorithm: str, code: str) -> None:
    secret = base64.b32encode(SEEDS[algorithm]).decode().rstrip("=")
    parameters = TotpParameters(secret, algorithm, digits=8)
    at = datetime.fromtimestamp(seconds, UTC)
    assert parameters.step_of(code, at) == seconds // 30
    with pytest.raises(InvalidCode):
        parameters.step_of(code, datetime.fromtimestamp(seconds + 90, UTC))


@pytest.mark.parametrize("size", [10, 13, 128])
def test_the_shortest_and_the_longest_secret_that_an_import_takes_work(size: int) -> None:
    parameters = TotpParameters(base64.b32encode(b"k" * size).decode().rstrip("="))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert parameters.step_of(parameters.totp.at(at), at) == int(at.timestamp()) // 30
    with pytest.raises(InvalidCode):
        parameters.step_of(TotpParameters.new().totp.at(at), at)


def test_a_code_is_good_for_one_step_of_drift_either_way_and_no_more() -> None:
    parameters, at = TotpParameters.new(), datetime(2026, 1, 1, 12, 0, 15, tzinfo=UTC)
    code = parameters.totp.at(at)
    step = int(at.timestamp()) // 30
    for seconds in (-30, 0, 30):
        assert parameters.step_of(code, at.fromtimestamp(at.timestamp() + seconds, UTC)) == step
    for seconds in (-60, 60):
        with pytest.raises(InvalidCode):
            parameters.step_of(code, at.fromtimestamp(at.timestamp() + seconds, UTC))


@pytest.mark.parametrize(
    "spoilt",
    ["{} ", " {}", "{:.5}", "{}0", "", "\x00", "٣٤٥٦٧٨", "{:.3} {:.3}"],
)
def test_what_is_not_six_ascii_digits_is_no_code(spoilt: str) -> None:
    parameters, at = TotpParameters.new(), datetime(2026, 1, 1, tzinfo=UTC)
    code = parameters.totp.at(at)
    with pytest.raises(InvalidCode):
        parameters.step_of(spoilt.format(code, code), at)


def test_a_new_secret_has_160_bits_and_its_uri_says_who_and_where() -> None:
    parameters = TotpParameters.new()
    assert len(base64.b32decode(parameters.secret)) == 20
    uri = parameters.uri("Latchkey: the key", "ann+x@example.com")
    assert uri.startswith("otpauth://totp/Latchkey%3A%20the%20key:ann%2Bx%40example.com?secret=")
    assert parameters.secret != TotpParameters.new().secret


@pytest.fixture
def vault(store: Store, secrets: SecretKeys, clock: FakeClock) -> TotpVault:
    return TotpVault(store.totp_secrets, secrets, clock)


def kept(vault: TotpVault, store: Store) -> tuple[str, TotpParameters]:
    """A sealed secret of a new user."""
    user, parameters, secret_id = a_user(), TotpParameters.new(), new_id()
    store.users.add(Account(user, HASH))
    vault.seal(secret_id, user.id, parameters, expires_at=None)
    return secret_id, parameters


def test_the_store_holds_no_secret_that_it_could_read(vault: TotpVault, store: Store) -> None:
    secret_id, parameters = kept(vault, store)
    found = store.totp_secrets.get(secret_id)
    assert found is not None
    assert parameters.secret not in found.sealed
    assert base64.b32decode(parameters.secret) not in base64.urlsafe_b64decode(found.sealed)


def test_a_secret_opens_for_its_own_user_only(vault: TotpVault, store: Store, clock: FakeClock) -> None:
    secret_id, _ = kept(vault, store)
    other_id, other = kept(vault, store)
    found, others = store.totp_secrets.get(secret_id), store.totp_secrets.get(other_id)
    assert found is not None
    assert others is not None
    store.totp_secrets.reseal(found, others.sealed, others.wrapped_by)
    with pytest.raises(Unavailable):
        vault.spend(secret_id, other.totp.at(clock()))


def test_after_a_change_of_the_secret_key_a_start_seals_all_secrets_again(
    vault: TotpVault, store: Store, clock: FakeClock
) -> None:
    sealed = [kept(vault, store) for _ in range(3)]
    changed = replace(vault, secrets=SecretKeys(NEW_SECRET, [SETTINGS["SECRET_KEY"]]))
    first_id, first = sealed[0]
    changed.spend(first_id, first.totp.at(clock()))
    former = set(changed.wrapped_by())

    assert changed.reseal() == 3
    assert changed.reseal() == 0

    without = replace(vault, secrets=SecretKeys(NEW_SECRET))
    for secret_id, parameters in sealed[1:]:
        without.spend(secret_id, parameters.totp.at(clock()))
    with pytest.raises(InvalidCode):  # its step stays spent
        without.spend(first_id, first.totp.at(clock()))
    assert len(former) == 1
    assert set(changed.wrapped_by()) == {SecretKeys(NEW_SECRET).current_name}
    assert len(list(changed.wrapped_by())) == 3


def test_what_no_secret_key_opens_stays_as_it_is_and_opens_nothing(
    vault: TotpVault, store: Store, clock: FakeClock
) -> None:
    secret_id, parameters = kept(vault, store)
    before = store.totp_secrets.get(secret_id)
    lost = replace(vault, secrets=SecretKeys(NEW_SECRET))
    assert lost.reseal() == 0
    with pytest.raises(Unavailable):
        lost.spend(secret_id, parameters.totp.at(clock()))
    assert store.totp_secrets.get(secret_id) == before
