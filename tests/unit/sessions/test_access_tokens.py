"""Only a token that this service made, as it made it and while it is valid, is accepted (RFC 8725, RFC 9068)."""

from __future__ import annotations

import base64
import json
import math
import string
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from app.keys.keyring import Algorithm, OpenKeyring, SigningKey, generate, unseal
from app.security.secret_keys import SecretKeys
from app.sessions import access_tokens as tokens
from app.sessions.access_tokens import AccessTokens
from app.sessions.claims import RefusedTokenError
from tests.api.service import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterable

ISSUER, AUDIENCE = "https://auth.example.com", "https://api.example.com"
SECRETS = SecretKeys("a secret of some length, not in use")
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
BASE64URL = string.ascii_letters + string.digits + "-_"
CLOCK = FakeClock()
"""For tests in which no time passes."""


def new_key(alg: Algorithm = "ES256") -> SigningKey:
    return unseal(generate(alg, SECRETS.current, now=CLOCK.now, signs_from=CLOCK.now), SECRETS)


class KeyService:
    """A keyring that tests change; it counts how often a key is asked for, which every check of a signature does."""

    def __init__(self, *keys: SigningKey) -> None:
        self.ring = OpenKeyring(1, {})
        self.asked = 0
        self.replace_by(*keys)

    def replace_by(self, *keys: SigningKey) -> None:
        self.ring = OpenKeyring(self.ring.version + 1, {key.kid: key for key in keys})

    @property
    def version(self) -> int:
        return self.ring.version

    def signing_key(self) -> SigningKey:
        return list(self.ring.keys.values())[-1]

    def key_by_kid(self, kid: str) -> SigningKey | None:
        self.asked += 1
        return self.ring.keys.get(kid)


KEY = new_key()
KEYS = KeyService(KEY)


def service(
    keys: KeyService = KEYS, clock: FakeClock = CLOCK, issuer: str = ISSUER, audience: str = AUDIENCE
) -> AccessTokens:
    return AccessTokens(issuer=issuer, audience=audience, lifetime=900, keys=keys, clock=clock)


TOKENS = service()
ISSUED = TOKENS.issue(subject="ann", session_id="s1", roles=("member",))


def refusal(token: str, by: AccessTokens = TOKENS) -> str:
    """Why a token is refused."""
    with pytest.raises(RefusedTokenError) as refused:
        by.verify(token)
    assert str(refused.value) == refused.value.reason
    return refused.value.reason


def a_token(
    claims: dict[str, Any] | None = None,
    header: dict[str, Any] | None = None,
    *,
    without: Iterable[str] = (),
    key: SigningKey = KEY,
) -> str:
    """A token signed with the real key, but with claims or header fields that the service would not write."""
    now = int(CLOCK.now.timestamp())
    content: dict[str, Any] = {"iss": ISSUER, "sub": "ann", "aud": AUDIENCE, "client_id": "latchkey", "sid": "s1"}
    content |= {"jti": "j1", "iat": now, "exp": now + 900, "roles": ["member"]} | (claims or {})
    for name in without:
        del content[name]
    return signed({"typ": "at+jwt", "alg": key.alg, "kid": key.kid} | (header or {}), content, key)


def signed(header: object, content: object, key: SigningKey = KEY) -> str:
    """A header and a content in the compact form, with a valid signature."""
    parts = ".".join(encoded(json.dumps(part).encode()) for part in (header, content))
    algorithm = jwt.get_algorithm_by_name(key.alg)
    return f"{parts}.{encoded(algorithm.sign(parts.encode(), algorithm.prepare_key(key.signing)))}"


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=="))


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_token_of_each_algorithm_is_accepted_as_it_was_issued(alg: Algorithm) -> None:
    keys = KeyService(new_key(alg))

    claims = service(keys).verify(service(keys).issue(subject="ann", session_id="s1", roles=()))

    assert (claims.subject, claims.session_id) == ("ann", "s1")


def test_a_token_says_what_rfc_9068_asks_for_and_nothing_else() -> None:
    now = int(CLOCK.now.timestamp())
    header, claims = (decoded(part) for part in ISSUED.split(".")[:2])

    assert header == {"typ": "at+jwt", "alg": "ES256", "kid": KEY.kid}
    assert len(claims.pop("jti")) >= 22
    assert claims == {
        "iss": ISSUER,
        "sub": "ann",
        "aud": AUDIENCE,
        "client_id": "latchkey",
        "iat": now,
        "exp": now + 900,
        "sid": "s1",
        "roles": ["member"],
    }


def test_no_two_tokens_are_alike() -> None:
    assert len({TOKENS.issue(subject="ann", session_id="s1", roles=()) for _ in range(50)}) == 50


def test_a_token_with_any_one_character_changed_is_refused() -> None:
    for place, character in enumerate(ISSUED):
        # The next character differs in the lowest bit or bits, which is where an encoding has room for two forms.
        following = BASE64URL[(BASE64URL.find(character) + 1) % 64]
        for other in {following, "A", "-", ".", "=", "+", "/", " ", "\n", "\0", "é"} - {character}:
            refusal(ISSUED[:place] + other + ISSUED[place + 1 :])


def test_a_token_with_any_one_character_more_or_less_is_refused() -> None:
    for place in range(len(ISSUED) + 1):
        if place < len(ISSUED):
            refusal(ISSUED[:place] + ISSUED[place + 1 :])
        for more in ("A", "=", ".", " "):
            refusal(ISSUED[:place] + more + ISSUED[place:])


@given(
    st.text(max_size=300)
    | st.from_regex(r"[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,80}", fullmatch=True)
)
def test_any_other_text_is_refused_and_nothing_worse(text: str) -> None:
    refusal(text)


@given(
    st.dictionaries(
        st.sampled_from(["typ", "alg", "kid", "crit", "b64"]),
        st.none() | st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_any_other_header_is_refused_and_nothing_worse(header: dict[str, Any]) -> None:
    refusal(signed(header, {"sub": "ann"}))


@pytest.mark.parametrize("suffix", ["=", "==", " ", "\n", ".", ".e30", "\0", "%3D"])
def test_text_after_a_token_is_not_ignored(suffix: str) -> None:
    assert refusal(ISSUED + suffix) == "malformed"


def test_a_second_encoding_of_the_same_bytes_is_refused() -> None:
    parts = ISSUED.split(".")
    last = parts[2][-1]  # 64 bytes make 86 characters: of the last one four bits are unused
    other = parts[2][:-1] + BASE64URL[BASE64URL.index(last) + 1]
    assert base64.urlsafe_b64decode(other + "==") == base64.urlsafe_b64decode(parts[2] + "==")

    assert refusal(".".join([*parts[:2], other])) == "malformed"


def test_a_token_longer_than_any_that_is_made_here_is_not_even_read() -> None:
    keys = KeyService(KEY)
    longest = a_token({"x": ""})
    longest = a_token({"x": "x" * ((tokens.LONGEST - len(longest)) // 4 * 3)})
    assert len(longest) <= tokens.LONGEST
    service(keys).verify(longest)

    assert refusal(a_token({"x": "x" * tokens.LONGEST}), service(keys)) == "malformed"
    assert keys.asked == 1


@pytest.mark.parametrize("depth", [500, 2900])
def test_a_header_that_is_nested_deeply_is_refused_like_any_other(depth: int) -> None:
    lists = b"[" * depth
    objects = b'{"a":' * (depth // 5) + b"1" + b"}" * (depth // 5)

    assert refusal(f"{encoded(lists)}.e30.e30") == "malformed"
    assert refusal(f"{encoded(objects)}.e30.e30") in {"malformed", "wrong_type"}


@pytest.mark.parametrize(
    "header", ["[]", '"at+jwt"', "1", "null", "{", "", '{"alg":"ES256"', "\xff", '{"kid":' + "9" * 3000 + "}"]
)
def test_a_header_that_is_not_an_object_is_refused(header: str) -> None:
    assert refusal(f"{encoded(header.encode('latin-1'))}.e30.e30") == "malformed"


def test_a_token_without_signature_is_refused_whatever_it_calls_its_algorithm() -> None:
    content = ISSUED.split(".")[1]
    for alg in ("none", "None", "NONE", "nOnE", "", None):
        header = encoded(json.dumps({"typ": "at+jwt", "alg": alg, "kid": KEY.kid}).encode())
        for signature in ("", "AA", ISSUED.split(".")[2]):
            assert refusal(f"{header}.{content}.{signature}") in {"wrong_algorithm", "malformed"}
    assert refusal(ISSUED.rpartition(".")[0] + ".") == "bad_signature"


def test_a_token_signed_by_hs256_with_the_published_key_is_refused() -> None:
    jwk = KEY.public_jwk()
    assert jwk is not None
    pem = KEY.verifying.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = KEY.verifying.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, pem.strip(), der, json.dumps(jwk).encode(), base64.urlsafe_b64decode(jwk["x"] + "==")):
        forged = SigningKey(KEY.kid, "HS256", CLOCK.now, secret, secret)
        header, content = {"typ": "at+jwt", "alg": "HS256", "kid": KEY.kid}, decoded(ISSUED.split(".")[1])
        parts = ".".join(encoded(json.dumps(part).encode()) for part in (header, content))
        mac = jwt.get_algorithm_by_name("HS256").sign(parts.encode(), forged.signing)
        assert refusal(f"{parts}.{encoded(mac)}") == "wrong_algorithm"


@pytest.mark.parametrize("alg", [alg for alg in ALGORITHMS if alg != "ES256"])
def test_a_key_verifies_with_its_own_algorithm_only(alg: Algorithm) -> None:
    keys = KeyService(KEY, new_key(alg))
    other = keys.signing_key()

    assert refusal(a_token(header={"kid": KEY.kid}, key=other), service(keys)) == "wrong_algorithm"
    assert refusal(a_token(header={"kid": other.kid}), service(keys)) == "wrong_algorithm"
    assert refusal(a_token(header={"alg": other.alg, "kid": other.kid}), service(keys)) in {
        "bad_signature",
        "malformed",
    }


def test_a_token_signed_by_another_key_of_the_same_algorithm_is_refused() -> None:
    assert refusal(a_token(header={"kid": KEY.kid}, key=new_key())) == "bad_signature"


@pytest.mark.parametrize(
    "kid", ["unknown", "", "../../../dev/null", "' OR 1=1 --", "http://evil.example/key", 1, None, ["a"], {"a": 1}]
)
def test_a_kid_that_is_not_in_the_keyring_is_refused_whatever_it_holds(kid: object) -> None:
    assert refusal(a_token(header={"kid": kid})) in {"unknown_key", "malformed"}


@pytest.mark.parametrize("typ", ["JWT", "jwt", "AT+JWT", "application/at+jwt", "", None, "dpop+jwt", ["at+jwt"], 1])
def test_a_token_of_another_kind_is_refused(typ: object) -> None:
    assert refusal(a_token(header={"typ": typ})) in {"wrong_type", "malformed"}


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AA"},
        {"jwk": KEY.public_jwk()},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"enc": "A128GCM"},
    ],
    ids=",".join,
)
def test_a_header_with_a_field_that_is_not_ours_is_refused_though_its_signature_is_valid(extra: dict[str, Any]) -> None:
    # PyJWT refuses `crit` before we do.
    assert refusal(a_token(header=extra)) == ("malformed" if "crit" in extra else "unexpected_header")


def test_a_key_that_a_token_brings_along_is_not_used() -> None:
    own = new_key()
    header = {"typ": "at+jwt", "alg": "ES256", "kid": own.kid, "jwk": own.public_jwk()}

    assert refusal(a_token(header=header, key=own)) == "unexpected_header"


def test_a_token_without_typ_alg_or_kid_is_refused() -> None:
    whole = {"typ": "at+jwt", "alg": "ES256", "kid": KEY.kid}
    for missing in whole:
        header = {name: value for name, value in whole.items() if name != missing}
        refusal(signed(header, decoded(ISSUED.split(".")[1])))


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid"])
def test_a_token_without_one_of_its_claims_is_refused(name: str) -> None:
    assert refusal(a_token(without=[name])) == "missing_claim"
    assert refusal(a_token({name: None})) in {"missing_claim", "malformed"}


def test_a_token_without_roles_is_accepted_since_roles_come_from_the_store() -> None:
    assert TOKENS.verify(a_token(without=["roles"])).subject == "ann"


@pytest.mark.parametrize("issuer", ["https://evil.example", ISSUER + "/", ISSUER.upper(), "", [ISSUER], ISSUER + "\0"])
def test_a_token_of_another_issuer_is_refused(issuer: object) -> None:
    assert refusal(a_token({"iss": issuer})) in {"wrong_issuer", "malformed"}


@pytest.mark.parametrize(
    "audience", ["https://evil.example", AUDIENCE + "/", "", [], ["https://evil.example"], 1, {AUDIENCE: 1}]
)
def test_a_token_for_another_audience_is_refused(audience: object) -> None:
    assert refusal(a_token({"aud": audience})) in {"wrong_audience", "malformed", "missing_claim"}


def test_a_token_of_one_instance_is_refused_by_one_of_another_name_with_the_same_keys() -> None:
    assert refusal(ISSUED, service(issuer="https://auth2.example.com")) == "wrong_issuer"
    assert refusal(ISSUED, service(audience="https://api2.example.com")) == "wrong_audience"


@pytest.mark.parametrize(
    "claims",
    [
        *({"sub": 1}, {"sub": ["ann"]}, {"sid": 1}, {"sid": {"$gt": ""}}, {"jti": 7}, {"exp": "4102444800"}),
        *({"exp": True}, {"iat": "0"}, {"nbf": "0"}, {"exp": [1]}, {"nbf": False}),
        *({"cnf": None}, {"cnf": {}}, {"cnf": {"jkt": 7}}, {"cnf": {"jkt": "x", "jwk": {}}}),
        *(
            {"auth_time": "0", "amr": []},
            {"auth_time": True, "amr": []},
            {"auth_time": 0},
            {"auth_time": 0, "amr": "a"},
        ),
    ],
    ids=str,
)
def test_a_claim_of_another_type_is_refused(claims: dict[str, Any]) -> None:
    assert refusal(a_token(claims)) == "malformed"


@pytest.mark.parametrize("claims", [{"client_id": 7}, {"aud": 7}, {"aud": ["https://files.example/", 7]}], ids=str)
def test_a_claim_of_another_type_is_refused_whomever_the_token_is_for(claims: dict[str, Any]) -> None:
    with pytest.raises(RefusedTokenError, match="malformed"):
        TOKENS.read(a_token(claims))


@pytest.mark.parametrize("content", ["[]", "1", '"ann"', "null", "{", ""])
def test_a_content_that_is_not_an_object_is_refused(content: str) -> None:
    header = encoded(json.dumps({"typ": "at+jwt", "alg": "ES256", "kid": KEY.kid}).encode())
    parts = f"{header}.{encoded(content.encode())}"
    algorithm = jwt.get_algorithm_by_name("ES256")

    assert refusal(f"{parts}.{encoded(algorithm.sign(parts.encode(), KEY.signing))}") == "malformed"


def test_a_token_expires_30_seconds_after_its_life_even_if_it_was_accepted_before() -> None:
    clock = FakeClock()
    clock.now = clock.now.replace(microsecond=0)
    mine = service(clock=clock)
    token = mine.issue(subject="ann", session_id="s1", roles=())

    for seconds in (0, 900, 29.999):
        clock.advance(seconds)
        mine.verify(token)
    clock.advance(0.001)

    assert refusal(token, mine) == "expired"
    assert refusal(token, service(clock=clock)) == "expired"


def test_a_token_from_the_future_is_accepted_up_to_30_seconds_early() -> None:
    now = CLOCK.now.timestamp()
    for name in ("iat", "nbf"):
        TOKENS.verify(a_token({name: now + 30}))
        assert refusal(a_token({name: now + 30.001})) == "not_yet_valid"
    assert refusal(a_token({"iat": now + 60, "nbf": now - 60})) == "not_yet_valid"


def test_a_signature_is_verified_once() -> None:
    keys = KeyService(KEY)
    mine = service(keys)

    for _ in range(3):
        mine.verify(ISSUED)

    assert keys.asked == 1


def test_a_refused_token_is_not_remembered() -> None:
    keys = KeyService(KEY)
    mine = service(keys)
    forged = a_token(header={"kid": KEY.kid}, key=new_key())

    for _ in range(3):
        assert refusal(forged, mine) == "bad_signature"

    assert keys.asked == 3


def test_what_was_verified_is_forgotten_when_the_keyring_changes() -> None:
    keys = KeyService(KEY)
    mine = service(keys)
    mine.verify(ISSUED)

    keys.replace_by(new_key())

    assert refusal(ISSUED, mine) == "unknown_key"
    keys.replace_by(KEY)
    assert mine.verify(ISSUED).subject == "ann"


def test_a_limited_number_of_verified_tokens_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "REMEMBERED", 3)
    keys = KeyService(KEY)
    mine = service(keys)
    several = [mine.issue(subject=str(number), session_id="s1", roles=()) for number in range(4)]

    for token in [*several[:3], *several[:3], several[3]]:
        mine.verify(token)
    assert keys.asked == 4
    mine.verify(several[0])

    assert keys.asked == 5


def test_a_token_lives_as_long_as_the_setting_says() -> None:
    clock = FakeClock()
    short = AccessTokens(issuer=ISSUER, audience=AUDIENCE, lifetime=60, keys=KEYS, clock=clock)
    token = short.issue(subject="ann", session_id="s1", roles=())
    clock.now = clock.now.replace(microsecond=0) + timedelta(seconds=60 + 30)

    assert refusal(token, short) == "expired"


@pytest.mark.parametrize("name", ["iat", "nbf", "exp"])
@pytest.mark.parametrize("time", [10**400, -(10**400), 1e300, math.inf, math.nan], ids=lambda time: f"{time}"[:6])
def test_a_time_that_cannot_be_compared_is_refused(name: str, time: float) -> None:
    assert refusal(a_token({name: time})) == "malformed"


@pytest.mark.parametrize("act", [None, "boss", {}, {"sub": 7}, {"sub": "boss", "act": {"sub": "root"}}, ["boss"]])
def test_an_actor_in_another_form_is_refused_and_never_overlooked(act: object) -> None:
    assert refusal(a_token({"act": act})) == "malformed"


def test_an_actor_is_read_from_the_token() -> None:
    issued = TOKENS.issue(subject="ann", session_id="s", roles=(), actors=("boss",))
    assert TOKENS.verify(issued).actor_id == "boss"
    assert TOKENS.verify(issued).actors == ()
    assert TOKENS.verify(ISSUED).actor_id is None


def an_exchanged_token(act: object, **claims: Any) -> str:
    return a_token({"client_id": "b", "aud": "https://files.example/", "act": act} | claims)


def test_the_clients_that_act_are_read_from_an_exchanged_token() -> None:
    issued = TOKENS.issue(
        subject="ann", session_id="s", roles=(), client_id="b", audiences=("https://files.example/",), actors=("b", "a")
    )
    read = TOKENS.read(issued)
    assert read.claims["act"] == {"sub": "b", "act": {"sub": "a"}}
    assert read.of_session is not None
    assert (read.of_session.actors, read.of_session.actor_id) == (("b", "a"), None)


def test_no_exchanged_token_is_accepted_here_whomever_it_is_for() -> None:
    for act in ({"sub": "b"}, {"sub": "b", "act": {"sub": "a"}}):
        assert refusal(an_exchanged_token(act, aud=AUDIENCE)) == "wrong_audience"
        assert refusal(an_exchanged_token(act, aud=[AUDIENCE, "https://files.example/"])) == "wrong_audience"


@pytest.mark.parametrize("inner", [None, "a", {}, {"sub": 7}, {"sub": "a", "iss": "x"}, {"act": {"sub": "a"}}])
def test_a_chain_of_clients_in_another_form_is_refused(inner: object) -> None:
    with pytest.raises(RefusedTokenError, match="malformed"):
        TOKENS.read(an_exchanged_token({"sub": "b", "act": inner}))
