"""Access tokens: what they contain, and that nothing else passes for one (RFC 9068, RFC 8725)."""

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.api.forgery import GONE, altered, encoded, genuine_key, read, signed
from tests.api.service import Account, Service, Start

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture
def account(service: Service) -> Account:
    return service.register()


def answer(service: Service, token: str) -> str:
    """The code of the reply to this token, "accepted" if there is none; both headers give the same."""
    first = service.get("/auth/me", token=token)
    second = service.get("/auth/me", headers={"x-access-token": token})
    assert first.status_code == second.status_code
    code: str = "accepted" if first.status_code == 200 else first.json["code"]
    return code


def test_a_token_has_the_header_and_claims_of_rfc_9068(service: Service) -> None:
    account = service.register()
    header, claims = read(account.token)
    assert header.keys() == {"typ", "alg", "kid"}
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert claims.keys() == {
        *("iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid", "roles"),
        *("auth_time", "amr", "acr"),
    }
    assert claims["iss"] == claims["aud"] == "http://localhost:5000"
    assert claims["sub"] == account.id
    assert claims["roles"] == ["member"]
    assert claims["iat"] == int(service.clock.now.timestamp())
    assert 855 <= claims["exp"] - claims["iat"] <= 900
    assert all(isinstance(claims[name], str) and claims[name] for name in ("client_id", "jti", "sid"))


def test_issuer_and_audience_are_settings(start: Start) -> None:
    service = start(PUBLIC_URL="https://auth.example.com", JWT_AUDIENCE="https://api.example.com")
    account = service.register()
    _, claims = read(account.token)
    assert (claims["iss"], claims["aud"]) == ("https://auth.example.com", "https://api.example.com")
    assert answer(service, account.token) == "accepted"


@pytest.mark.parametrize("algorithm", ["ES256", "HS256", "EdDSA", "RS256"])
def test_each_algorithm_of_the_setting_signs_and_verifies(start: Start, algorithm: str) -> None:
    service = start(JWT_ALGORITHM=algorithm)
    account = service.register()
    header, claims = read(account.token)
    assert header["alg"] == algorithm
    assert answer(service, account.token) == "accepted"
    key = genuine_key(service)
    assert jwt.decode(account.token, key.verifying, [algorithm], audience=claims["aud"])["sub"] == account.id
    assert answer(service, _with_other_signature(account.token)) == "invalid_token"
    assert answer(service, altered(service, account.token, claims={"exp": GONE})) == "invalid_token"


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA", "RS256"])
def test_tokens_of_the_former_algorithm_stay_valid(start: Start, algorithm: str) -> None:
    service = start()
    account = service.register()
    other = start(on=service, JWT_ALGORITHM=algorithm)
    assert answer(other, account.token) == "accepted"


def test_an_altered_token_does_not_verify(service: Service, account: Account) -> None:
    header, claims, signature = account.token.split(".")
    administrator = encoded(str(read(account.token)[1] | {"roles": ["admin"]}).replace("'", '"'))
    for token in (
        f"{header}.{administrator}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{header}.{claims}.{signature}.{signature}",
        f".{claims}.{signature}",
        f"{header}..{signature}",
        f"{header}.{claims}.{encoded(b'x' * 64)}",
        f"{header}.{claims}.{encoded(bytes(64))}",
        _with_other_signature(account.token),
        account.token[:-1],
        account.token[1:],
        account.token.swapcase(),
    ):
        assert answer(service, token) == "invalid_token"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None])
def test_a_token_without_a_signature_is_refused(service: Service, account: Account, alg: str | None) -> None:
    header, claims = read(account.token)
    unsigned = f"{encoded(json.dumps(header | {'alg': alg}))}.{encoded(json.dumps(claims))}"
    for signature in ("", account.token.split(".")[2]):
        assert answer(service, f"{unsigned}.{signature}") == "invalid_token"


def test_a_public_key_does_not_pass_for_a_secret(service: Service, account: Account) -> None:
    header, claims = read(account.token)
    public = genuine_key(service).verifying
    jwk = service.get("/.well-known/jwks.json").json["keys"][0]
    raw = jwt.get_algorithm_by_name("HS256")
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        json.dumps(jwk).encode(),
        b"",
    ):
        message = f"{encoded(json.dumps(header | {'alg': 'HS256'}))}.{encoded(json.dumps(claims))}"
        token = f"{message}.{encoded(raw.sign(message.encode(), secret))}"
        assert answer(service, token) == "invalid_token"


@pytest.mark.parametrize(
    "alg", ["ES384", "ES512", "HS256", "HS512", "RS256", "PS256", "EdDSA", "es256", "ES256K", 7, ["ES256"]]
)
def test_a_key_verifies_with_its_own_algorithm_only(service: Service, account: Account, alg: Any) -> None:
    assert answer(service, altered(service, account.token, header={"alg": alg})) == "invalid_token"


@pytest.mark.parametrize("typ", [GONE, "JWT", "jwt", "AT+JWT", "application/at+jwt", "at+jwt ", "rt+jwt", "", None, 1])
def test_only_the_type_at_jwt_is_an_access_token(service: Service, account: Account, typ: Any) -> None:
    assert answer(service, altered(service, account.token, header={"typ": typ})) == "invalid_token"


@pytest.mark.parametrize(
    "kid",
    [GONE, "", "unknown", None, 7, [], {}, "../../../../dev/null", "' OR 1=1 --", '{"$gt": ""}', "x" * 2000, "\u0000"],
)
def test_an_unknown_kid_is_refused(service: Service, account: Account, kid: Any) -> None:
    assert answer(service, altered(service, account.token, header={"kid": kid})) == "invalid_token"


def test_a_key_inside_the_token_is_ignored(service: Service, account: Account) -> None:
    mine = generate_private_key(SECP256R1())
    jwk = jwt.get_algorithm_by_name("ES256").to_jwk(mine.public_key(), as_dict=True)
    header, claims = read(account.token)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
        for more in (
            {"jwk": jwk},
            {"jku": url},
            {"x5u": url},
            {"x5c": ["MIIB"]},
            {"x5t": "x"},
            {"kid": url},
            {"jku": url, "kid": "mine"},
        ):
            assert answer(service, signed(header | more, claims, mine, "ES256")) == "invalid_token"
            assert answer(service, altered(service, account.token, header=more)) == "invalid_token"
        with pytest.raises(BlockingIOError):
            listener.accept()  # nobody called


@pytest.mark.parametrize(
    "header",
    [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"cty": "JWT"}, {"zip": "DEF"}],
)
def test_an_extension_of_the_header_is_refused(service: Service, account: Account, header: dict[str, Any]) -> None:
    assert answer(service, altered(service, account.token, header=header)) == "invalid_token"


def _padded(token: str) -> str:
    return token + "="


def _with_other_unused_bits(token: str) -> str:
    # 64 bytes in 86 characters: the last one carries two bits, its other four are to be zero.
    return token[:-1] + ALPHABET[ALPHABET.index(token[-1]) + 1]


@pytest.mark.parametrize(
    "encode",
    [
        _padded,
        lambda token: token + "==",
        lambda token: token.replace(".", "=.", 1),
        lambda token: token + ".",
        lambda token: "." + token,
        lambda token: token + "\u00a0",
        lambda token: token + "!",
        lambda token: token + " ",
        lambda token: token[:10] + "\t" + token[10:],
        lambda token: token[:10] + "*" + token[10:],
        lambda token: token.replace(".", " . "),
        lambda token: token.replace(".", "%2E"),
        lambda token: "".join(f"%{ord(letter):02x}" for letter in token[:3]) + token[3:],
        _with_other_unused_bits,
    ],
)  # fmt: skip
def test_a_token_has_one_encoding(service: Service, account: Account, encode: Callable[[str], str]) -> None:
    assert answer(service, account.token) == "accepted"
    token = encode(account.token)
    expected = "accepted" if token.strip(" ") == account.token else "invalid_token"
    assert answer(service, token) == expected


def test_other_letters_of_base64_are_refused(service: Service, account: Account) -> None:
    while not set("-_") & set(token := service.login(account.email).json["data"]["token"]):
        pass
    assert answer(service, token.replace("-", "+").replace("_", "/")) == "invalid_token"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": "http://localhost:5000/"},
        {"iss": ""},
        {"iss": None},
        {"iss": ["http://localhost:5000"]},
        {"aud": "https://evil.example"},
        {"aud": ["https://evil.example"]},
        {"aud": ""},
        {"aud": []},
        {"aud": {}},
        {"aud": None},
        *({name: GONE} for name in ("iss", "aud", "exp", "iat", "sub", "jti", "client_id", "sid")),
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": "99999999999"},
        {"exp": []},
        {"exp": True},
        {"iat": "now"},
        {"nbf": "now"},
        {"sub": 7},
        {"sub": None},
        {"sub": {"$gt": ""}},
        {"sid": {"$gt": ""}},
        {"sid": 7},
    ],
    ids=str,
)
def test_a_genuine_token_with_a_wrong_or_missing_claim_is_refused(
    service: Service, account: Account, claims: dict[str, Any]
) -> None:
    assert answer(service, altered(service, account.token, claims=claims)) == "invalid_token"


@pytest.mark.parametrize("claims", [[], "x", 7, None])
def test_claims_that_are_not_an_object_are_refused(service: Service, account: Account, claims: object) -> None:
    key = genuine_key(service)
    header, _ = read(account.token)
    assert answer(service, signed(header, claims, key.signing, key.alg)) == "invalid_token"


def test_a_token_among_several_audiences_is_accepted(service: Service, account: Account) -> None:
    audiences = ["https://other.example", "http://localhost:5000"]
    assert answer(service, altered(service, account.token, claims={"aud": audiences})) == "accepted"


def test_a_token_of_another_instance_is_refused(service: Service, start: Start) -> None:
    other = start(SECRET_KEY="another-kX9vQ2mZ7tR4wL8pN3yB6hJ1sD5fG0aC")
    assert answer(service, other.register().token) == "invalid_token"


@pytest.mark.parametrize("key", [generate_private_key(SECP256R1()), generate_rsa_key(65537, 2048)], ids=["ec", "rsa"])
def test_a_token_signed_with_a_foreign_key_is_refused(service: Service, account: Account, key: Any) -> None:
    header, claims = read(account.token)
    alg = "RS256" if hasattr(key, "decryptor") or key.key_size > 1000 else "ES256"
    for said in {alg, "ES256"}:
        assert answer(service, signed(header | {"alg": said}, claims, key, alg)) == "invalid_token"


def test_a_refresh_token_is_not_an_access_token(service: Service, account: Account) -> None:
    assert answer(service, account.data["refresh_token"]) == "invalid_token"


def test_a_token_expires_after_a_leeway_of_30_seconds(service: Service) -> None:
    account = service.register()
    began = int(service.clock.now.timestamp()) - service.clock.now.timestamp()
    service.clock.advance(began + account.data["expires_in"] + 29.999)
    assert answer(service, account.token) == "accepted"
    service.clock.advance(0.001)
    response = service.get("/auth/me", token=account.token)
    assert (response.status_code, response.json["code"]) == (401, "expired_token")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_an_expired_token_that_was_never_seen_is_refused_alike(service: Service) -> None:
    account = service.register()
    service.clock.advance(931)
    assert answer(service, account.token) == "expired_token"
    assert answer(service, _with_other_signature(account.token)) == "invalid_token"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_of_the_future_is_refused_until_it_begins(service: Service, claim: str) -> None:
    account = service.register()
    begins = service.clock.now.replace(microsecond=0) + timedelta(seconds=100)
    token = altered(service, account.token, claims={claim: int(begins.timestamp())})
    assert answer(service, token) == "invalid_token"
    service.clock.now = begins - timedelta(seconds=30.001)
    assert answer(service, token) == "invalid_token"
    service.clock.now = begins - timedelta(seconds=30)
    assert answer(service, token) == "accepted"


@pytest.mark.parametrize("changes", [{"status": "disabled"}, {"status": "invited"}, {"auth_epoch": 1}], ids=str)
def test_disabling_a_user_or_changing_the_password_ends_the_session(
    service: Service, changes: dict[str, str | int]
) -> None:
    account = service.register()
    assert answer(service, account.token) == "accepted"
    service.database.change_user(account.id, **changes)
    response = service.get("/auth/me", token=account.token)
    assert (response.status_code, response.json["code"]) == (401, "session_ended")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert service.get("/auth/users", token=account.token).json["code"] == "session_ended"


def test_the_session_that_was_kept_goes_on(service: Service) -> None:
    account = service.register()
    other = service.login(account.email).json["data"]["token"]
    session = read(account.token)[1]["sid"]
    service.database.change_user(account.id, auth_epoch=1, kept_session=session)
    assert answer(service, account.token) == "accepted"
    assert answer(service, other) == "session_ended"


def test_a_session_ends_with_its_absolute_life(start: Start) -> None:
    service = start(REFRESH_IDLE_SECONDS="60", REFRESH_ABSOLUTE_SECONDS="60")
    account = service.register()
    service.clock.advance(59)
    assert answer(service, account.token) == "accepted"
    service.clock.advance(1)
    assert answer(service, account.token) == "session_ended"


def test_a_genuine_token_of_a_session_that_is_not_there_has_ended(service: Service, account: Account) -> None:
    other = service.register()
    for claims in (
        {"sid": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"},
        {"sid": "x"},
        {"sid": ""},
        {"sub": other.id},
        {"sid": read(other.token)[1]["sid"]},
        {"sid": "x" * 500},
        {"sid": "\u0000"},
    ):
        assert answer(service, altered(service, account.token, claims=claims)) == "session_ended"


def test_roles_come_from_the_store_and_not_from_the_token(service: Service, account: Account) -> None:
    token = altered(service, account.token, claims={"roles": ["admin"]})
    assert service.get("/auth/me", token=token).json["data"]["user"]["roles"] == ["member"]
    assert service.get("/auth/users", token=token).json["data"]["users"][0].keys() == {"id", "username"}


def _with_other_signature(token: str) -> str:
    message, _, signature = token.rpartition(".")
    return f"{message}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
