"""Signing keys come out of the store as they went in, or not at all."""

from __future__ import annotations

import dataclasses
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import get_args

import jwt
import pytest

from app.keys.keyring import Algorithm, OpenKeyring, SigningKey, StoredKey, generate, reseal, unseal
from app.security.secret_keys import SealedError, SecretKeys

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
SECRETS = SecretKeys("a secret of some length, not in use")
OTHERS = SecretKeys("another secret, not in use either")
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
SEALED: tuple[Algorithm, ...] = ("ES256", "EdDSA", "RS256")
PUBLIC = {
    "ES256": {"kid", "use", "alg", "kty", "crv", "x", "y"},
    "EdDSA": {"kid", "use", "alg", "kty", "crv", "x"},
    "RS256": {"kid", "use", "alg", "kty", "n", "e"},
}


@pytest.fixture(scope="module")
def stored() -> dict[str, StoredKey]:
    """A key of each algorithm, made once: one for RS256 takes a while."""
    return {alg: generate(alg, SECRETS.current, now=NOW, signs_from=LATER) for alg in ALGORITHMS}


def signed_with(key: SigningKey) -> str:
    return jwt.encode({"sub": "ann"}, key.signing, algorithm=key.alg)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_key_that_was_sealed_opens_to_one_that_signs_and_verifies(
    alg: Algorithm, stored: dict[str, StoredKey]
) -> None:
    first, second = unseal(stored[alg], SECRETS), unseal(stored[alg], SecretKeys("a secret of some length, not in use"))

    assert (first.kid, first.alg, first.signs_from) == (stored[alg].kid, alg, LATER)
    assert jwt.decode(signed_with(first), second.verifying, algorithms=[alg]) == {"sub": "ann"}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_former_secret_still_opens_what_it_sealed(alg: Algorithm, stored: dict[str, StoredKey]) -> None:
    rotated = SecretKeys("the secret that writes from now on", ["a secret of some length, not in use"])
    key = unseal(stored[alg], rotated)

    assert jwt.decode(signed_with(key), unseal(stored[alg], SECRETS).verifying, algorithms=[alg]) == {"sub": "ann"}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_key_of_an_unknown_secret_is_refused_by_name(alg: Algorithm, stored: dict[str, StoredKey]) -> None:
    with pytest.raises(SealedError, match=f"{stored[alg].kid} is sealed under another SECRET_KEY"):
        unseal(stored[alg], OTHERS)


@pytest.mark.parametrize("alg", SEALED)
def test_a_key_that_claims_to_be_of_another_secret_is_refused(alg: Algorithm, stored: dict[str, StoredKey]) -> None:
    passed_off = dataclasses.replace(stored[alg], wrapped_by=OTHERS.current.name)

    with pytest.raises(SealedError, match="altered"):
        unseal(passed_off, OTHERS)


@pytest.mark.parametrize("alg", SEALED)
def test_a_sealed_key_with_any_one_byte_flipped_is_refused(alg: Algorithm, stored: dict[str, StoredKey]) -> None:
    sealed = urlsafe_b64decode(stored[alg].sealed)
    for place in range(len(sealed)):
        flipped = sealed[:place] + bytes([sealed[place] ^ 1 << place % 8]) + sealed[place + 1 :]
        altered = dataclasses.replace(stored[alg], sealed=urlsafe_b64encode(flipped).decode())
        with pytest.raises(SealedError, match="altered"):
            unseal(altered, SECRETS)


@pytest.mark.parametrize("sealed", ["", "A", "AAAA", "=", "ß", "no base64!", "A" * 16, "A" * 15])
def test_anything_but_a_sealed_key_is_refused_alike(sealed: str, stored: dict[str, StoredKey]) -> None:
    with pytest.raises(SealedError, match="altered"):
        unseal(dataclasses.replace(stored["ES256"], sealed=sealed), SECRETS)


def test_a_sealed_key_under_the_kid_or_algorithm_of_another_is_refused(stored: dict[str, StoredKey]) -> None:
    for alg in SEALED:
        for other in SEALED:
            if alg == other:
                continue
            for swapped in (
                dataclasses.replace(stored[alg], kid=stored[other].kid),
                dataclasses.replace(stored[alg], alg=other),
                dataclasses.replace(stored[alg], sealed=stored[other].sealed),
            ):
                with pytest.raises(SealedError, match="altered"):
                    unseal(swapped, SECRETS)


def test_a_sealed_key_that_is_passed_off_as_hs256_is_refused(stored: dict[str, StoredKey]) -> None:
    with pytest.raises(SealedError, match="altered"):
        unseal(dataclasses.replace(stored["ES256"], alg="HS256"), SECRETS)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_resealed_key_is_the_same_and_needs_only_the_current_secret(
    alg: Algorithm, stored: dict[str, StoredKey]
) -> None:
    changed = SecretKeys("the secret that writes from now on", ["a secret of some length, not in use"])
    anew = reseal(stored[alg], changed)

    opened = unseal(anew, SecretKeys("the secret that writes from now on"))
    assert jwt.decode(signed_with(unseal(stored[alg], SECRETS)), opened.verifying, algorithms=[alg]) == {"sub": "ann"}
    assert jwt.decode(signed_with(opened), unseal(stored[alg], SECRETS).verifying, algorithms=[alg]) == {"sub": "ann"}
    assert dataclasses.replace(anew, wrapped_by="", sealed="") == dataclasses.replace(
        stored[alg], wrapped_by="", sealed=""
    )
    with pytest.raises(SealedError, match="another SECRET_KEY"):
        unseal(anew, SECRETS)
    # And back again, and again: two instances may disagree for a while about which of two secrets is the current one.
    back = SecretKeys("a secret of some length, not in use", ["the secret that writes from now on"])
    assert unseal(reseal(anew, back), SECRETS).signing is not None
    assert reseal(anew, changed) is anew


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_key_that_no_secret_opens_is_not_resealed(alg: Algorithm, stored: dict[str, StoredKey]) -> None:
    with pytest.raises(SealedError, match="another SECRET_KEY"):
        reseal(stored[alg], OTHERS)


def test_no_two_keys_share_a_kid_or_a_sealed_text() -> None:
    keys = [generate("ES256", SECRETS.current, now=NOW, signs_from=NOW) for _ in range(20)]

    assert len({key.kid for key in keys}) == len({key.sealed for key in keys}) == 20


def test_hs256_keys_differ_by_kid_and_are_not_stored() -> None:
    first, second = (generate("HS256", SECRETS.current, now=NOW, signs_from=NOW) for _ in range(2))

    assert first.sealed == second.sealed == ""
    assert unseal(first, SECRETS).signing != unseal(second, SECRETS).signing
    assert len(unseal(first, SECRETS).signing) == 32


def test_neither_a_stored_nor_an_open_key_shows_what_is_secret(stored: dict[str, StoredKey]) -> None:
    for key in stored.values():
        shown = repr(key) + repr(unseal(key, SECRETS))
        assert "signing" not in shown
        assert "sealed" not in shown


@pytest.mark.parametrize("alg", SEALED)
def test_nothing_private_of_a_key_is_published(alg: Algorithm, stored: dict[str, StoredKey]) -> None:
    key = unseal(stored[alg], SECRETS)
    jwk = key.public_jwk()

    assert jwk is not None
    assert jwk.keys() == PUBLIC[alg]
    assert (jwk["kid"], jwk["use"], jwk["alg"]) == (key.kid, "sig", alg)
    verifying = jwt.PyJWK(jwk)
    assert jwt.decode(signed_with(key), verifying, algorithms=[alg]) == {"sub": "ann"}


def test_hs256_publishes_nothing(stored: dict[str, StoredKey]) -> None:
    keys = {key.kid: unseal(key, SECRETS) for key in stored.values()}

    published = OpenKeyring(1, keys).jwks()["keys"]

    assert [jwk["alg"] for jwk in published] == [alg for alg in ALGORITHMS if alg != "HS256"]
    secret = unseal(stored["HS256"], SECRETS).signing
    assert urlsafe_b64encode(secret).decode().rstrip("=") not in json.dumps(published)


def a_key(kid: str, alg: str, seconds: int) -> SigningKey:
    """A key that signs from this many seconds after NOW."""
    return SigningKey(kid, alg, NOW + timedelta(seconds=seconds), None, None)


def test_of_the_keys_that_have_begun_the_last_one_signs() -> None:
    ring = OpenKeyring(
        1, {key.kid: key for key in (a_key("b", "ES256", 0), a_key("a", "ES256", 10), a_key("c", "ES256", 20))}
    )

    assert ring.signing_key(NOW, "ES256").kid == "b"
    assert ring.signing_key(NOW + timedelta(seconds=9.999), "ES256").kid == "b"
    assert ring.signing_key(NOW + timedelta(seconds=10), "ES256").kid == "a"
    assert ring.signing_key(NOW + timedelta(days=1), "ES256").kid == "c"


def test_a_key_of_the_wanted_algorithm_signs_as_soon_as_one_has_begun() -> None:
    ring = OpenKeyring(1, {key.kid: key for key in (a_key("old", "ES256", 0), a_key("new", "EdDSA", 300))})

    assert ring.signing_key(NOW, "EdDSA").kid == "old"
    assert ring.signing_key(LATER, "EdDSA").kid == "new"
    assert ring.signing_key(LATER, "ES256").kid == "old"


def test_a_clock_that_is_behind_still_finds_a_key_to_sign_with() -> None:
    ring = OpenKeyring(1, {"only": a_key("only", "ES256", 300)})

    assert ring.signing_key(NOW, "ES256").kid == "only"
