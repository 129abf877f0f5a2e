"""Proofs of a key (RFC 9449 section 4.3): each check is broken once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.security.dpop import ALGORITHMS, FUTURE, PAST, ProofRefusedError, Proofs, SentProof, challenge
from tests.proofs import Key, base64url, digest

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
URL = "https://id.example/oauth/token"
KEY = Key.new()
# The example of RFC 9449 section 4.2, and the thumbprint that section 6.1 gives for its key.
EXAMPLE = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRj"
    "QyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGki"
    "OiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY"
    "yNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
EXAMPLE_AT = datetime.fromtimestamp(1562262616, UTC)
EXAMPLE_KEY = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


@dataclass
class Used:
    """Keeps proofs as a store does."""

    kept: dict[str, datetime] = field(default_factory=dict)

    def add(self, proof_id: str, expires_at: datetime) -> bool:
        return self.kept.setdefault(proof_id, expires_at) is expires_at


@pytest.fixture
def used() -> Used:
    return Used()


@pytest.fixture
def proofs(used: Used) -> Proofs:
    return Proofs(used, lambda: NOW, "https://id.example")


def sent(value: str, method: str = "POST", path: str = "/oauth/token") -> SentProof:
    return SentProof(value, method, path)


def a_proof(**changed: Any) -> str:
    return KEY.proof("POST", URL, NOW, **changed)


def refused(proofs: Proofs, value: str, why: str, **more: Any) -> None:
    with pytest.raises(ProofRefusedError, match=why):
        proofs.read(sent(value), **more)


def test_the_example_of_the_rfc_proves_its_key(used: Used) -> None:
    theirs = Proofs(used, lambda: EXAMPLE_AT, "https://server.example.com")
    assert theirs.read(sent(EXAMPLE, path="/token")).key == EXAMPLE_KEY
    altered = EXAMPLE[:-6] + "AAAAAA"
    with pytest.raises(ProofRefusedError, match="not signed"):
        theirs.read(sent(altered, path="/token"))


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_each_algorithm_proves_a_key(proofs: Proofs, alg: str) -> None:
    key = Key.new(alg)
    assert proofs.read(sent(key.proof("POST", URL, NOW))).key == key.thumbprint


def test_a_proof_serves_once_and_is_kept_until_it_is_too_old(proofs: Proofs, used: Used) -> None:
    found = proofs.read(sent(a_proof()))
    proofs.use(found)
    with pytest.raises(ProofRefusedError, match="used before"):
        proofs.use(found)
    (until,) = used.kept.values()
    assert until > NOW + PAST + FUTURE
    assert all(len(known) == 64 for known in used.kept)


def test_an_identifier_is_of_its_key_alone(proofs: Proofs) -> None:
    other = Key.new().proof("POST", URL, NOW, jti="j")
    assert proofs.read(sent(other)).id != proofs.read(sent(a_proof(jti="j"))).id


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
def test_a_secret_proves_nothing(proofs: Proofs, algorithm: str) -> None:
    shared = "s" * 64
    for jwk in ({"kty": "oct", "k": base64url(shared.encode())}, KEY.jwk):
        content = {"htm": "POST", "htu": URL, "iat": int(NOW.timestamp()), "jti": "j"}
        refused(
            proofs, jwt.encode(content, shared, algorithm, {"typ": "dpop+jwt", "jwk": jwk}), "signed with one of ES256"
        )


@pytest.mark.parametrize("alg", ["none", "None", "ES384", "RS512", "", None, 1, ["ES256"], {}])
def test_another_algorithm_is_refused(proofs: Proofs, alg: object) -> None:
    _, claims, signature = a_proof().split(".")
    header = base64url(json.dumps({"typ": "dpop+jwt", "alg": alg, "jwk": KEY.jwk}).encode())
    for forged in (f"{header}.{claims}.{signature}", f"{header}.{claims}."):
        with pytest.raises(ProofRefusedError):
            proofs.read(sent(forged))


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "DPOP+JWT", "application/dpop+jwt", "", 1, ["dpop+jwt"]])
def test_another_type_is_refused(proofs: Proofs, typ: object) -> None:
    _, claims, signature = a_proof().split(".")
    header = base64url(json.dumps({"typ": typ, "alg": "ES256", "jwk": KEY.jwk}).encode())
    with pytest.raises(ProofRefusedError):
        proofs.read(sent(f"{header}.{claims}.{signature}"))


def test_a_type_is_needed(proofs: Proofs) -> None:
    refused(proofs, a_proof(header={"typ": "JWT"}), "of the type dpop")


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_private_key_is_refused(proofs: Proofs, member: str) -> None:
    refused(proofs, a_proof(header={"jwk": {**KEY.jwk, member: "AQAB"}}), "private key")


@pytest.mark.parametrize("jwk", [None, "", [], 1, True, {}, {"kty": "EC"}, {"kty": ["EC"], "crv": "P-256"}])
def test_a_key_is_needed(proofs: Proofs, jwk: object) -> None:
    with pytest.raises(ProofRefusedError):
        proofs.read(sent(a_proof(header={"jwk": jwk})))


@pytest.mark.parametrize(
    "changed",
    [{"x": 1}, {"x": None}, {"x": ""}, {"x": "é"}, {"x": "A" * 43}, {"y": "!"}, {"crv": "P-384"}, {"kty": "RSA"}],
)
def test_a_key_of_another_form_is_refused(proofs: Proofs, changed: dict[str, Any]) -> None:
    with pytest.raises(ProofRefusedError):
        proofs.read(sent(a_proof(header={"jwk": KEY.jwk | changed})))


def test_an_other_key_did_not_sign(proofs: Proofs) -> None:
    refused(proofs, a_proof(header={"jwk": Key.new().jwk}), "not signed by the key")


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP256K1()])
def test_another_curve_is_refused(proofs: Proofs, curve: ec.EllipticCurve) -> None:
    private = ec.generate_private_key(curve)
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    with pytest.raises(ProofRefusedError):
        proofs.read(sent(a_proof(header={"jwk": jwk})))


@pytest.mark.filterwarnings("ignore:The RSA key is")
def test_a_short_rsa_key_is_refused(proofs: Proofs) -> None:
    private = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is what is refused
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    key = Key("RS256", private, {name: jwk[name] for name in ("kty", "n", "e")})
    refused(proofs, key.proof("POST", URL, NOW), "2048 to 4096")


def test_a_long_rsa_key_is_refused_before_it_costs_time(proofs: Proofs) -> None:
    key = Key.new("RS256")
    long = {**key.jwk, "n": base64url(b"\xff" * 513)}
    refused(proofs, replace(key, jwk=long).proof("POST", URL, NOW), "2048 to 4096")


def test_an_exponent_that_costs_time_is_refused(proofs: Proofs) -> None:
    key = Key.new("RS256")
    large = {**key.jwk, "e": base64url(b"\x7f" + b"\xff" * 200)}
    refused(proofs, replace(key, jwk=large).proof("POST", URL, NOW), "2048 to 4096")


@pytest.mark.parametrize(
    "text",
    ["", "x", "..", "a.b.c", "é.é.é", "\ud800", "A" * 5000, f"{a_proof()},{a_proof()}", a_proof().rsplit(".", 1)[0]],
)
def test_what_is_no_proof_is_refused(proofs: Proofs, text: str) -> None:
    with pytest.raises(ProofRefusedError):
        proofs.read(sent(text))


@pytest.mark.parametrize("content", ["[]", "1", "null", '"x"', "{", "[" * 2000])
def test_claims_that_are_no_object_are_refused(proofs: Proofs, content: str) -> None:
    signed = jwt.api_jws.encode(content.encode(), KEY.private, "ES256", {"typ": "dpop+jwt", "jwk": KEY.jwk})
    with pytest.raises(ProofRefusedError):
        proofs.read(sent(signed))


def test_a_critical_header_is_refused(proofs: Proofs) -> None:
    for critical in ["b64"], ["exp"], [], "b64":
        with pytest.raises(ProofRefusedError):
            proofs.read(sent(a_proof(header={"crit": critical, "b64": True})))


@pytest.mark.parametrize("htm", ["GET", "post", "", None, 1, ["POST"]])
def test_a_proof_is_for_one_method(proofs: Proofs, htm: object) -> None:
    refused(proofs, a_proof(htm=htm), "htm")


@pytest.mark.parametrize(
    "htu",
    [
        *("https://id.example/oauth/par", "https://id.example/oauth/token/", "https://id.example/OAUTH/token"),
        *("http://id.example/oauth/token", "https://id.example:444/oauth/token", "https://evil.example/oauth/token"),
        *("https://id.example@evil.example/oauth/token", "https://u@id.example/oauth/token", "/oauth/token", ""),
        *("https://id.example:x/oauth/token", "https://[id.example/oauth/token", None, 1, [URL]),
    ],
)
def test_a_proof_is_for_one_address(proofs: Proofs, htu: object) -> None:
    refused(proofs, a_proof(htu=htu), "htu")


@pytest.mark.parametrize(
    "htu", [f"{URL}?a=b#c", "https://ID.example:443/oauth/token", "HTTPS://id.example/oauth/%74oken"]
)
def test_an_address_is_normalised_and_its_query_ignored(proofs: Proofs, htu: str) -> None:
    assert proofs.read(sent(a_proof(htu=htu))).key == KEY.thumbprint


@pytest.mark.parametrize("seconds", [-61, 6, -3600, 10**9])
def test_a_proof_of_another_time_is_refused(proofs: Proofs, seconds: int) -> None:
    refused(proofs, a_proof(iat=int(NOW.timestamp()) + seconds), "clock")


@pytest.mark.parametrize("seconds", [-60, 0, 5])
def test_a_proof_lives_for_a_minute(proofs: Proofs, seconds: int) -> None:
    assert proofs.read(sent(a_proof(iat=int(NOW.timestamp()) + seconds))).issued_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("iat", [None, True, "1769860800", [], 1e300, -1, 10**400])
def test_the_time_is_a_number(proofs: Proofs, iat: object) -> None:
    with pytest.raises(ProofRefusedError):
        proofs.read(sent(a_proof(iat=iat)))


@pytest.mark.parametrize("jti", [None, "", "j" * 257, 1, ["j"], {}])
def test_an_identifier_is_needed(proofs: Proofs, jti: object) -> None:
    refused(proofs, a_proof(jti=jti), "jti")


@pytest.mark.parametrize("ath", [digest("another"), "", "é", 1, None, "\ud800"])
def test_a_proof_is_for_one_access_token(proofs: Proofs, ath: object) -> None:
    refused(proofs, a_proof(ath=ath), "ath", token="token")


def test_claims_of_tokens_mean_nothing_in_a_proof(proofs: Proofs) -> None:
    strange: dict[str, Any] = {"exp": 1, "nbf": 10**11, "aud": 5, "sub": 7}
    assert proofs.read(sent(a_proof(**strange))).key == KEY.thumbprint


def test_the_challenge_names_the_algorithms() -> None:
    assert challenge("invalid_token", "No.") == (
        'DPoP error="invalid_token", error_description="No.", algs="ES256 EdDSA PS256 RS256"'
    )
