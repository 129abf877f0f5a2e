"""Each format as its system writes it: what is taken of a user, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest

from app.accounts.imported import Imported, LinkedIdentity
from app.security.passwords import PasswordHasher
from app.transfer.formats import FORMATS, reader, records_of
from app.transfer.incoming import FastDigest, Incoming, RefusedError, Totp

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSWORD = "correct horse battery staple"
SECRET = PASSWORD.encode()
SALT = b"0123456789abcdef"
BCRYPT = bcrypt.hashpw(SECRET, bcrypt.gensalt(4)).decode()
TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
hasher = PasswordHasher("bcrypt", 4)


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def read(format_: str, content: Any, config: Mapping[str, Any] | None = None) -> Incoming:
    """The one user in a file."""
    text = content if isinstance(content, str) else json.dumps(content)
    with io.BufferedReader(io.BytesIO(text.encode())) as file:
        (record,) = records_of(file, FORMATS[format_])
    if isinstance(record.content, RefusedError):
        raise record.content
    return reader(FORMATS[format_], config or {})(record.content)


def verifies(incoming: Incoming, password: str = PASSWORD) -> bool:
    return isinstance(incoming.hash, str) and hasher.verify(password, incoming.hash)


def reason(incoming: Incoming) -> str:
    assert isinstance(incoming.hash, RefusedError)
    return incoming.hash.reason


def test_supabase() -> None:
    row = {
        "id": "9a7f7d0e-0c3c-4a57-9a39-0d8a7b6b9a11", "aud": "authenticated", "email": "ann@example.org",
        "encrypted_password": BCRYPT, "email_confirmed_at": "2023-02-01 10:11:12.123456+00",
        "created_at": "2023-02-01 10:00:00+00", "last_sign_in_at": "2024-05-06 07:08:09+02",
        "raw_user_meta_data": '{"full_name": "Ann Example"}', "banned_until": None, "deleted_at": None,
        "identities": [
            {"provider": "email", "identity_data": {"sub": "9a7f"}},
            {"provider": "google", "provider_id": "117", "identity_data": {"sub": "117", "email": "ann@example.org"}},
        ],
        "mfa_factors": [
            {"factor_type": "totp", "status": "verified", "secret": TOTP},
            {"factor_type": "totp", "status": "unverified", "secret": "AAAA"},
        ],
    }  # fmt: skip

    found = read("supabase", [row])

    assert verifies(found)
    assert found == Incoming(
        id="9a7f7d0e-0c3c-4a57-9a39-0d8a7b6b9a11",
        email="ann@example.org",
        email_verified=True,
        name="Ann Example",
        created_at=datetime(2023, 2, 1, 10, tzinfo=UTC),
        last_login_at=datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC),
        hash=BCRYPT,
        identities=(LinkedIdentity("google", "117"),),
        totp=(Totp(TOTP),),
    )
    assert read("supabase", row) == found
    assert read("supabase", row | {"banned_until": "2999-01-01T00:00:00Z"}).status == "disabled"
    assert read("supabase", row | {"banned_until": "2020-01-01T00:00:00Z"}).status == "active"
    with pytest.raises(RefusedError, match="deleted in the other system"):
        read("supabase", row | {"deleted_at": "2024-01-01 00:00:00+00"})


def test_supabase_as_csv() -> None:
    found = read(
        "supabase",
        "id,email,encrypted_password,email_confirmed_at,raw_user_meta_data,created_at\n"
        f'7,ann@example.org,{BCRYPT},,"{{""name"": ""Ann""}}",2023-02-01 10:00:00.5+00\n',
    )

    assert verifies(found)
    assert (found.id, found.email_verified, found.name) == ("7", False, "Ann")
    assert found.created_at == datetime(2023, 2, 1, 10, 0, 0, 500000, tzinfo=UTC)


def test_auth0_users_and_hashes() -> None:
    found = read(
        "auth0",
        {
            "user_id": "auth0|5f1c", "email": "ann@example.org", "email_verified": True, "name": "ann@example.org",
            "created_at": "2023-02-01T10:00:00.123Z", "blocked": True, "app_metadata": {"plan": "x"},
            "identities": [
                {"provider": "auth0", "user_id": "5f1c", "connection": "db"},
                {"provider": "google-oauth2", "user_id": "117", "isSocial": True},
            ],
            "mfa_factors": [{"totp": {"secret": TOTP}}, {"phone": {"value": "+1"}}],
        },
    )  # fmt: skip
    assert found == Incoming(
        id="auth0|5f1c",
        email="ann@example.org",
        email_verified=True,
        status="disabled",
        created_at=datetime(2023, 2, 1, 10, 0, 0, 123000, tzinfo=UTC),
        identities=(LinkedIdentity("google-oauth2", "117"),),
        totp=(Totp(TOTP),),
    )

    hashes = {"_id": {"$oid": "5f1c"}, "email": "ann@example.org", "email_verified": True, "passwordHash": BCRYPT}
    assert verifies(read("auth0", hashes))
    assert read("auth0", hashes).id == "auth0|5f1c"


@pytest.mark.parametrize(
    "custom",
    [
        {"algorithm": "bcrypt", "hash": {"value": BCRYPT}},
        {
            "algorithm": "pbkdf2",
            "hash": {
                "value": "$pbkdf2-sha512$i=1000,l=64$"
                + b64(SALT).rstrip("=")
                + "$"
                + b64(hashlib.pbkdf2_hmac("sha512", SECRET, SALT, 1000)).rstrip("="),
                "encoding": "utf8",
            },
        },
        {
            "algorithm": "scrypt",
            "hash": {"value": hashlib.scrypt(SECRET, salt=SALT, n=16, r=8, p=2, dklen=32).hex(), "encoding": "hex"},
            "salt": {"value": b64(SALT), "encoding": "base64"},
            "keylen": 32, "cost": 16, "blockSize": 8, "parallelization": 2,
        },
    ],
    ids=lambda custom: custom["algorithm"],
)  # fmt: skip
def test_auth0_custom_hashes(custom: dict[str, Any]) -> None:
    assert verifies(read("auth0", {"email": "ann@example.org", "custom_password_hash": custom}))


def test_auth0_digests_that_are_too_fast_are_marked_as_such() -> None:
    def of(custom: dict[str, Any]) -> object:
        return read("auth0", {"email": "ann@example.org", "custom_password_hash": custom}).hash

    made = {"value": "00ff", "encoding": "hex"}
    assert of({"algorithm": "sha256", "hash": made, "salt": {"value": "s", "position": "suffix"}}) == FastDigest(
        "sha256", b"", b"s", b"\0\xff"
    )
    assert of({"algorithm": "md5", "hash": made, "salt": {"value": "s"}}) == FastDigest("md5", b"s", b"", b"\0\xff")
    assert of(
        {"algorithm": "hmac", "hash": made | {"digest": "sha256", "key": {"value": "6b", "encoding": "hex"}}}
    ) == (FastDigest("hmac-sha256", b"k", b"", b"\0\xff"))
    refused = of({"algorithm": "ldap", "hash": {"value": "{SSHA}x"}})
    assert isinstance(refused, RefusedError)


FIREBASE = {
    "algorithm": "SCRYPT",
    "base64_signer_key": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
    "base64_salt_separator": "Bw==",
    "rounds": 8,
    "mem_cost": 14,
}


def test_firebase_with_its_published_vector() -> None:
    user = {
        "localId": "aB3", "email": "ann@example.org", "emailVerified": True, "displayName": "Ann",
        "passwordHash": "lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ==",
        "salt": "42xEC-ixf3L2lw==", "createdAt": "1675245600123", "lastSignedInAt": "1675245601000", "disabled": True,
        "providerUserInfo": [{"providerId": "password", "rawId": "x"}, {"providerId": "google.com", "rawId": "117"}],
    }  # fmt: skip

    found = read("firebase", {"users": [user]}, FIREBASE)

    assert verifies(found, "user1password")
    assert not verifies(found, "user1passwore")
    assert (found.id, found.name, found.status, found.email_verified) == ("aB3", "Ann", "disabled", True)
    assert found.created_at == datetime(2023, 2, 1, 10, 0, 0, 123000, tzinfo=UTC)
    assert found.identities == (LinkedIdentity("google.com", "117"),)
    with pytest.raises(RefusedError, match="--hash-config"):
        read("firebase", {"users": [user]})
    assert reason(read("firebase", {"users": [user]}, FIREBASE | {"mem_cost": 30})) == "too_costly_hash"


def keycloak(password: dict[str, Any], **more: Any) -> Incoming:
    made = {name: json.dumps(each) for name, each in password.items()}
    user = {
        "id": "9a7f7d0e-0c3c-4a57-9a39-0d8a7b6b9a11", "username": "ann", "email": "ann@example.org",
        "emailVerified": False, "enabled": True, "createdTimestamp": 1675245600123, "firstName": "Ann",
        "lastName": "Example", "credentials": [{"type": "password", **made}],
        "federatedIdentities": [{"identityProvider": "github", "userId": "42", "userName": "ann"}],
        **more,
    }  # fmt: skip
    return read("keycloak", {"realm": "r", "roles": {"realm": [{"name": "x"}]}, "users": [user], "clients": []})


@pytest.mark.parametrize(
    ("algorithm", "digest"), [("pbkdf2", "sha1"), ("pbkdf2-sha256", "sha256"), ("pbkdf2-sha512", "sha512")]
)
def test_keycloak_by_pbkdf2(algorithm: str, digest: str) -> None:
    found = keycloak(
        {
            "secretData": {"value": b64(hashlib.pbkdf2_hmac(digest, SECRET, SALT, 1000, 64)), "salt": b64(SALT)},
            "credentialData": {"hashIterations": 1000, "algorithm": algorithm, "additionalParameters": {}},
        }
    )

    assert verifies(found)
    assert (found.username, found.name, found.status) == ("ann", "Ann Example", "active")
    assert found.created_at == datetime(2023, 2, 1, 10, 0, 0, 123000, tzinfo=UTC)
    assert found.identities == (LinkedIdentity("github", "42"),)


def test_keycloak_by_argon2_and_with_an_authenticator_app() -> None:
    import argon2  # noqa: PLC0415 - for this test alone

    made = argon2.low_level.hash_secret_raw(SECRET, SALT, 2, 64, 1, 32, argon2.Type.ID)
    found = keycloak(
        {
            "secretData": {"value": b64(made), "salt": b64(SALT), "additionalParameters": {}},
            "credentialData": {
                "hashIterations": 2, "algorithm": "argon2",
                "additionalParameters": {
                    "hashLength": ["32"], "memory": ["64"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"],
                },
            },
        }
    )  # fmt: skip
    assert verifies(found)

    otp = {"type": "otp", "secretData": '{"value":"RzLdGmnJxq0p7ZQ8t3bW"}'}
    data = {"subType": "totp", "digits": 8, "period": 60, "algorithm": "HmacSHA256"}
    found = keycloak({}, credentials=[otp | {"credentialData": json.dumps(data)}], enabled=False)
    assert found.totp == (Totp(base64.b32encode(b"RzLdGmnJxq0p7ZQ8t3bW").decode(), "SHA256", 8, 60),)
    assert found.hash is None
    assert found.status == "disabled"


@pytest.mark.parametrize(
    "made",
    [
        {"hashIterations": 1000, "algorithm": "bcrypt"},
        {"hashIterations": "many", "algorithm": "pbkdf2-sha256"},
        {"hashIterations": 1, "algorithm": "argon2", "additionalParameters": {"type": ["id"], "memory": ["64", "1"]}},
        {"hashIterations": 1, "algorithm": "argon2", "additionalParameters": {"type": ["id$"], "memory": ["6"]}},
    ],
)
def test_keycloak_hashes_that_are_none_are_unsupported(made: dict[str, Any]) -> None:
    found = keycloak({"secretData": {"value": b64(bytes(32)), "salt": b64(SALT)}, "credentialData": made})

    assert reason(found) == "unsupported_hash"


def test_clerk() -> None:
    found = read(
        "clerk",
        "id,first_name,last_name,username,primary_email_address,verified_email_addresses,totp_secret,"
        "password_digest,password_hasher\n"
        f'user_1,Ann,Example,ann,ann@example.org,"ann@example.org,b@example.org",{TOTP},{BCRYPT},bcrypt\n',
    )
    assert verifies(found)
    assert found == Incoming(
        id="user_1",
        email="ann@example.org",
        email_verified=True,
        username="ann",
        name="Ann Example",
        hash=BCRYPT,
        totp=(Totp(TOTP),),
    )


def pbkdf2(digest: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac(digest, SECRET, salt, 1000)


OF_SHA256 = bcrypt.hashpw(hashlib.sha256(SECRET).hexdigest().encode(), bcrypt.gensalt(4)).decode()


@pytest.mark.parametrize(
    ("hasher_", "digest"),
    [
        ("bcrypt_sha256_django", f"bcrypt_sha256${OF_SHA256}"),
        ("pbkdf2_sha256", f"pbkdf2_sha256$1000${b64(SALT)}${b64(pbkdf2('sha256', SALT))}"),
        ("pbkdf2_sha256_django", f"pbkdf2_sha256$1000$abc${b64(pbkdf2('sha256', b'abc'))}"),
        ("pbkdf2_sha1", f"pbkdf2_sha1$1000$abc${pbkdf2('sha1', b'abc').hex()}"),
    ],
    ids=["bcrypt_sha256", "pbkdf2_sha256", "pbkdf2_sha256 of Django", "pbkdf2_sha1"],
)
def test_clerk_hashes(hasher_: str, digest: str) -> None:
    assert verifies(read("clerk", [{"id": "1", "password_digest": digest, "password_hasher": hasher_}]))


def test_clerk_hashes_of_firebase_and_weak_ones() -> None:
    digest = "$".join(
        (
            "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
            "42xEC+ixf3L2lw==", str(FIREBASE["base64_signer_key"]), "Bw==", "8", "14",
        )
    )  # fmt: skip
    user = {"id": "1", "password_digest": digest, "password_hasher": "scrypt_firebase"}
    assert verifies(read("clerk", [user]), "user1password")
    assert reason(read("clerk", [user | {"password_digest": "$".join("abc")}])) == "unsupported_hash"
    md5 = hashlib.md5(SECRET, usedforsecurity=False)
    weak = user | {"password_digest": md5.hexdigest(), "password_hasher": "md5"}
    assert read("clerk", [weak]).hash == FastDigest("md5", b"", b"", md5.digest())


def test_django() -> None:
    stored = f"pbkdf2_sha256$1000$abc${b64(hashlib.pbkdf2_hmac('sha256', SECRET, b'abc', 1000))}"
    fields = {
        "username": "ann", "email": "ann@example.org", "first_name": "Ann", "last_name": "", "is_active": False,
        "is_superuser": True, "groups": [], "date_joined": "2023-02-01T10:00:00Z", "last_login": None,
        "password": stored,
    }  # fmt: skip
    user = {"model": "auth.user", "pk": 7, "fields": fields}

    assert read("django", [user]) == Incoming(
        id="7",
        email="ann@example.org",
        username="ann",
        name="Ann",
        status="disabled",
        created_at=datetime(2023, 2, 1, 10, tzinfo=UTC),
        hash=stored,
    )
    assert verifies(read("django", user))
    for password in ("argon2" + "$argon2id$v=19$m=64,t=1,p=1$" + "A" * 22 + "$" + "A" * 43, f"bcrypt${BCRYPT}"):
        changed = read("django", user | {"fields": fields | {"password": password}})
        assert changed.hash == "$" + password.partition("$")[2].removeprefix("$")
    assert read("django", user | {"fields": fields | {"password": "!unusable"}}).hash is None
    weak = read("django", user | {"fields": fields | {"password": "sha1$abc$" + "0" * 40}})
    assert weak.hash == FastDigest("sha1", b"abc", b"", bytes(20))
    with pytest.raises(RefusedError, match="not an object"):
        read("django", {"model": "auth.group", "pk": 1, "fields": {"name": "x"}})


def test_flask_security() -> None:
    import hmac  # noqa: PLC0415 - for this test alone

    salt = "146585145368132386173505678016728509634"
    inner = bcrypt.hashpw(b64(hmac.new(salt.encode(), SECRET, "sha512").digest())[:72].encode(), bcrypt.gensalt(4))
    row = {
        "id": 7, "email": "ann@example.org", "username": None, "password": inner.decode(), "active": True,
        "confirmed_at": "2023-02-01T10:00:00", "create_datetime": "2023-02-01T09:00:00",
        "tf_totp_secret": json.dumps({"key": TOTP, "type": "totp", "v": 1}), "fs_uniquifier": "abc",
    }  # fmt: skip

    found = read("flask-security", row, {"password_salt": salt})

    assert verifies(found)
    assert (found.id, found.email_verified, found.status) == ("7", True, "active")
    assert found.totp == (Totp(TOTP),)
    assert read("flask-security", row | {"password": BCRYPT, "tf_totp_secret": None}).hash == BCRYPT
    with pytest.raises(RefusedError, match="authenticator app"):
        read("flask-security", row | {"tf_totp_secret": '{"enckey": {}}'})


@pytest.mark.parametrize(
    "document",
    [
        {
            "_id": {"$oid": "64b7"}, "email": "ann@example.org", "password": "hash", "is_active": False,
            "is_verified": True, "name": "Ann", "created_at": {"$date": "2023-02-01T10:00:00Z"}, "role": "student",
        },
        {
            "_id": "64b7", "email": "ann@example.org", "password_hash": "hash", "enabled": False,
            "email_verified": True, "first_name": "Ann", "createdAt": {"$date": {"$numberLong": "1675245600000"}},
            "roles": ["student"],
        },
        {
            "user_id": "64b7", "email": "ann@example.org", "hashed_password": "hash", "status": "disabled",
            "verified": "yes", "displayName": "Ann", "created": 1675245600, "roles": "student",
        },
    ],
)  # fmt: skip
def test_documents_of_other_systems_by_the_names_that_most_use(document: dict[str, Any]) -> None:
    stored = "pbkdf2:sha256:1000$abc$" + hashlib.pbkdf2_hmac("sha256", SECRET, b"abc", 1000).hex()
    document = {name: stored if each == "hash" else each for name, each in document.items()}

    found = read("jsonl", document)

    assert verifies(found)
    assert found == Incoming(
        id="64b7",
        email="ann@example.org",
        email_verified=True,
        name="Ann",
        roles=("student",),
        status="disabled",
        created_at=datetime(2023, 2, 1, 10, tzinfo=UTC),
        hash=stored,
    )


def test_a_plain_password_is_never_taken() -> None:
    assert reason(read("jsonl", {"email": "ann@example.org", "password": PASSWORD})) == "unsupported_hash"


@pytest.mark.parametrize(
    ("content", "reason_", "field"),
    [
        ({"email": ["ann@example.org"]}, "invalid_type", "email"),
        ({"email": {"$ne": ""}}, "invalid_type", "email"),
        ({"email": "a@example.org", "created_at": "yesterday"}, "invalid_time", "created_at"),
        ({"email": "a@example.org", "created_at": 1e300}, "invalid_time", "created_at"),
        ({"email": "a@example.org", "verified": "perhaps"}, "invalid_time", "verified"),
        ({"email": "a@example.org", "roles": [1]}, "invalid_type", "roles"),
        ({"email": "a@example.org", "identities": [{"provider": "x"}]}, "invalid_identity", None),
        ({"latchkey": 1, "id": "7", "is_admin": True}, "unknown_field", "is_admin"),
        ({"latchkey": 1, "id": "7", "status": "root"}, "invalid_type", "status"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_field(
    content: dict[str, Any], reason_: str, field: str | None
) -> None:
    with pytest.raises(RefusedError) as refused:
        read("jsonl", content)
    assert (refused.value.reason, refused.value.field) == (reason_, field)


def test_an_export_of_this_service_is_taken_as_it_is() -> None:
    imported = {"id": "7", "source": "django", "identities": [{"provider": "google", "subject": "117"}]}
    found = read(
        "jsonl",
        {"latchkey": 1, "id": "x", "email": "ann@example.org", "roles": [], "status": "invited", "imported": imported},
    )

    assert found == Incoming(
        id="x",
        email="ann@example.org",
        roles=(),
        status="invited",
        native=True,
        imported=Imported("7", "django", (LinkedIdentity("google", "117"),)),
    )
