"""Hashes that other systems made are checked as they are, and none that costs more than the limits allow."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import argon2
import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.security import foreign_hashes
from app.security.foreign_hashes import TooCostlyHashError, UnreadableHashError
from app.security.passwords import PasswordHasher, read

PASSWORD = "caf\u00e9 society"
SECRET = PASSWORD.encode()
SALT = b"0123456789abcdef"
hasher = PasswordHasher("bcrypt", 4)

FIREBASE = (
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,"
    "sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
    "$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
)
"""The vector that github.com/firebase/scrypt publishes, as supabase/auth writes it."""


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def scrypt(length: int = 64) -> bytes:
    return hashlib.scrypt(SECRET, salt=SALT, n=16, r=8, p=1, dklen=length)


def test_the_published_vector_of_firebase_verifies() -> None:
    assert hasher.verify("user1password", FIREBASE)
    assert not hasher.verify("user1passwore", FIREBASE)


MADE = {
    "django sha1": f"pbkdf2_sha1$1000$salt${b64(hashlib.pbkdf2_hmac('sha1', SECRET, b'salt', 1000))}",
    "django bcrypt_sha256": "bcrypt_sha256$"
    + bcrypt.hashpw(hashlib.sha256(SECRET).hexdigest().encode(), bcrypt.gensalt(4)).decode(),
    "django scrypt": f"scrypt$16${SALT.decode()}$8$1${b64(scrypt())}",
    "phc sha512": foreign_hashes.pbkdf2("sha512", 1000, SALT, hashlib.pbkdf2_hmac("sha512", SECRET, SALT, 1000)),
    "passlib sha256": "$pbkdf2-sha256$1000$"
    + re.sub("=|[+]", lambda found: {"=": "", "+": "."}[found[0]], b64(SALT))
    + "$"
    + b64(hashlib.pbkdf2_hmac("sha256", SECRET, SALT, 1000)).rstrip("=").replace("+", "."),
    "phc scrypt": foreign_hashes.scrypt(4, 8, 1, SALT, scrypt(32)),
    "werkzeug scrypt": f"scrypt:16:8:1${SALT.decode()}${scrypt().hex()}",
    "wrapped sha1": foreign_hashes.wrapped(
        "sha1", b"salt", b"", hasher.hash(b64(hashlib.sha1(b"salt" + SECRET, usedforsecurity=False).digest()))
    ),
    "wrapped sha512": foreign_hashes.wrapped(
        "sha512", b"", b"salt", hasher.hash(b64(hashlib.sha512(SECRET + b"salt").digest()))
    ),
    "wrapped hmac": foreign_hashes.wrapped(
        "hmac-sha256", b"key", b"", hasher.hash(b64(hmac.new(b"key", SECRET, "sha256").digest()))
    ),
    "flask-security bcrypt": foreign_hashes.prehashed(
        b"146585145368132386173505678016728509634",
        bcrypt.hashpw(
            base64.b64encode(hmac.new(b"146585145368132386173505678016728509634", SECRET, "sha512").digest())[:72],
            bcrypt.gensalt(4),
        ).decode(),
    ),
    "flask-security argon2": foreign_hashes.prehashed(
        b"pepper",
        argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(
            base64.b64encode(hmac.new(b"pepper", SECRET, "sha512").digest())
        ),
    ),
}


@pytest.mark.parametrize("stored", MADE.values(), ids=MADE)
def test_a_foreign_hash_verifies_its_own_password_only_and_is_upgraded(stored: str) -> None:
    assert hasher.verify(PASSWORD, stored)
    assert not hasher.verify(PASSWORD + "x", stored)
    assert hasher.needs_upgrade(stored)
    assert len(stored) <= foreign_hashes.LONGEST


@pytest.mark.parametrize("stored", [*MADE.values(), FIREBASE, hasher.hash("x" * 80)], ids=[*MADE, "Firebase", "own"])
def test_the_dummy_of_a_hash_costs_the_same_and_keeps_nothing_of_it(stored: str) -> None:
    dummy = read(stored).dummy

    assert read(dummy).dummy == dummy
    assert not hasher.verify(PASSWORD, dummy)
    numbers = r"\b(?:[nrptmli]|ln)=\d+|(?<=[$:])\d+(?=[$:])"
    assert [found.removeprefix("i=") for found in re.findall(numbers, dummy) if not found.startswith("l=")] == [
        found.removeprefix("i=") for found in re.findall(numbers, stored) if not found.startswith("l=")
    ]
    secret_parts = [part for part in re.split(r"[$:=,]", stored) if len(part) >= 16]
    assert not [part for part in secret_parts if part.strip("A0=.") and part in dummy]


@pytest.mark.parametrize(
    "stored",
    [
        "$2b$18$" + "." * 53,
        "$2b$31$" + "." * 53,
        "$bcrypt-sha384$2b$31$" + "." * 53,
        "bcrypt_sha256$$2b$31$" + "." * 53,
        "pbkdf2:sha256:10000001$salt$" + "0" * 64,
        "pbkdf2_sha256$10000001$salt$" + "A" * 43 + "=",
        "$pbkdf2-sha1$i=10000000,l=40$c2FsdHNhbHQ$" + "A" * 54,
        "scrypt:1048576:8:1$salt$" + "0" * 128,
        "scrypt:2:8:900000000$salt$" + "0" * 128,
        "scrypt$1048576$salt$8$1$" + "A" * 86 + "==",
        "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$scrypt$ln=99,r=8,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$fbscrypt$v=1,n=30,r=8,p=1,ss=Bw==,sk=" + "A" * 86 + "==$c2FsdHNhbHQ$" + "A" * 86,
        "$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=999999999,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=1,p=999$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
        "$hmac-sha512$a2V5$2b$31$" + "." * 53,
        "$wrapped$md5$$$2b$31$" + "." * 53,
    ],
)
def test_a_hash_that_costs_more_than_allowed_is_refused_and_matches_nothing_at_the_cost_of_the_present_scheme(
    stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = []
    check = bcrypt.checkpw

    def checkpw(password: bytes, hashed: bytes) -> bool:
        spent.append(hashed[:7])
        return check(password, hashed)

    def refuse(*_: object, **__: object) -> bytes:
        raise AssertionError("the hash was checked")

    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    monkeypatch.setattr(hashlib, "scrypt", refuse)
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", refuse)
    monkeypatch.setattr(argon2.PasswordHasher, "verify", refuse)

    with pytest.raises(TooCostlyHashError):
        read(stored)
    assert not hasher.verify(PASSWORD, stored)
    assert spent == [b"$2b$04$"]


@pytest.mark.parametrize(
    "stored",
    [
        "pbkdf2:sha256:1000$salt$00",
        "pbkdf2_sha256$1000$salt$AAAA",
        "$pbkdf2-sha256$i=1000,l=64$c2FsdHNhbHQ$" + "A" * 43,
        "scrypt:1000:8:1$salt$" + "0" * 128,
        "scrypt:1:8:1$salt$" + "0" * 128,
        "$hmac-sha512$a2V5$hmac-sha512$a2V5$2b$04$" + "." * 53,
        "$hmac-sha512$a2V5$wrapped$md5$$$2b$04$" + "." * 53,
        "$wrapped$md5$$$wrapped$md5$$$2b$04$" + "." * 53,
        "bcrypt_sha256$pbkdf2_sha256$1000$salt$" + "A" * 43 + "=",
        "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$" + "A" * 600,
        "5f4dcc3b5aa765d61d8327deb882cf99",
    ],
)
def test_what_is_no_hash_that_this_service_takes_is_unreadable(stored: str) -> None:
    with pytest.raises(UnreadableHashError) as refused:
        read(stored)
    assert refused.type is UnreadableHashError


@given(
    stored=st.sampled_from([FIREBASE, *MADE.values()]),
    place=st.integers(0, 600),
    character=st.characters(codec="ascii"),
)
def test_one_wrong_character_in_a_foreign_hash_never_raises_anything_else(
    stored: str, place: int, character: str
) -> None:
    place %= len(stored)
    try:
        found = read(stored[:place] + character + stored[place + 1 :])
    except UnreadableHashError:
        return
    assert read(found.dummy).dummy == found.dummy
