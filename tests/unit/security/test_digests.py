"""Digests of the specifications: the examples that these give."""

from app.security.digests import half_hash, s256

ACCESS_TOKEN = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"


def test_the_challenge_of_a_verifier_is_that_of_rfc_7636_appendix_b() -> None:
    assert s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_hash_of_an_access_token_is_that_of_openid_connect_core_appendix_a() -> None:
    assert half_hash(ACCESS_TOKEN, "RS256") == half_hash(ACCESS_TOKEN, "ES256") == "77QmUPtjPfzWtF2AnpK9RQ"


def test_an_algorithm_hashes_by_its_own_size() -> None:
    lengths = {algorithm: len(half_hash(ACCESS_TOKEN, algorithm)) for algorithm in ("PS256", "ES384", "RS512", "EdDSA")}
    assert lengths == {"PS256": 22, "ES384": 32, "RS512": 43, "EdDSA": 43}
