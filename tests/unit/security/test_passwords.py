"""Passwords are taken exactly as they come, and the stored scheme alone decides how they are checked."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import argon2
import bcrypt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.security import generate_password_hash

from app.security.passwords import PasswordHasher

if TYPE_CHECKING:
    from collections.abc import Callable

COST = 4
PASSWORD = "a fine password"
EMOJI = "\N{KEY}" * 64

hasher = PasswordHasher("bcrypt", COST)
argon2_hasher = PasswordHasher("argon2id", COST)

# Every character that has a UTF-8 form, NUL included.
characters = st.characters(exclude_categories=["Cs"])
passwords = st.text(characters, min_size=1, max_size=1000)


def pre_hashed(password: str) -> str:
    return base64.b64encode(hashlib.sha384(password.encode()).digest()).decode()


# Round trips


@given(password=passwords)
@example(password="a" * 72)
@example(password="a" * 73)
@example(password="\0")
@example(password=EMOJI)
def test_any_password_verifies_against_its_own_hash(password: str) -> None:
    assert hasher.verify(password, hasher.hash(password))


@given(password=passwords, last=characters)
@example(password="a" * 72, last="b")
@example(password="a" * 73, last="b")
@example(password="ab\0", last="\N{KEY}")
def test_another_last_character_fails(password: str, last: str) -> None:
    changed = password[:-1] + (last if last != password[-1] else last + last)

    assert not hasher.verify(changed, hasher.hash(password))


@given(password=passwords, more=characters)
@example(password="a" * 72, more="b")
@example(password="a" * 71, more="\0")
@example(password="ab", more="\0")
def test_one_character_more_or_less_fails(password: str, more: str) -> None:
    assert not hasher.verify(password + more, hasher.hash(password))
    assert not hasher.verify(password, hasher.hash(password + more))


@pytest.mark.parametrize("password", [PASSWORD, EMOJI, "with a \0 in it", "x" * 1000])
def test_argon2id_takes_any_password_and_distinguishes_the_last_character(password: str) -> None:
    stored = argon2_hasher.hash(password)

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert argon2_hasher.verify(password, stored)
    assert not argon2_hasher.verify(password[:-1] + "?", stored)


def test_64_emoji_differ_from_63_and_from_another_last_one() -> None:
    stored = hasher.hash(EMOJI)

    assert hasher.verify(EMOJI, stored)
    assert not hasher.verify(EMOJI[:-1], stored)
    assert not hasher.verify(EMOJI[:-1] + "\N{LOCK}", stored)


@pytest.mark.parametrize(
    "attempt",
    ["x" * 99, "x" * 98 + "y ", "X" + "x" * 98 + " ", " " + "x" * 99 + " ", "x" * 99 + "\t"],
    ids=["trailing space removed", "last letter", "case", "leading space", "tab for space"],
)
def test_a_password_of_100_bytes_is_neither_cut_nor_trimmed_nor_folded(attempt: str) -> None:
    stored = hasher.hash("x" * 99 + " ")

    assert not hasher.verify(attempt, stored)


def test_composed_and_decomposed_letters_are_different_passwords() -> None:
    assert not hasher.verify("caf\u0065\u0301 society", hasher.hash("caf\u00e9 society"))


def test_the_same_password_is_never_hashed_to_the_same_string_twice() -> None:
    assert hasher.hash(PASSWORD) != hasher.hash(PASSWORD)


# The two forms of bcrypt


@pytest.mark.parametrize("password", ["a", "a" * 72, "\u00e9" * 36])
def test_up_to_72_bytes_the_hash_is_plain_bcrypt_that_other_libraries_verify(password: str) -> None:
    stored = hasher.hash(password)

    assert stored.startswith("$2b$04$")
    assert bcrypt.checkpw(password.encode(), stored.encode())


@pytest.mark.parametrize("password", ["a" * 73, "\u00e9" * 36 + "a", "a\0b", "\0"])
def test_longer_passwords_and_those_with_a_nul_go_through_sha384_under_its_own_scheme_name(
    password: str,
) -> None:
    stored = hasher.hash(password)

    assert stored.startswith("$bcrypt-sha384$2b$04$")
    assert bcrypt.checkpw(pre_hashed(password).encode(), stored.removeprefix("$bcrypt-sha384").encode())


def test_the_cost_of_new_hashes_is_the_settings() -> None:
    stored = PasswordHasher("bcrypt", 5).hash(PASSWORD)

    assert stored.startswith("$2b$05$")


def test_a_plain_hash_of_72_bytes_does_not_match_the_73_bytes_that_begin_alike() -> None:
    stored = hasher.hash("x" * 72)

    assert not hasher.verify("x" * 73, stored)


def test_a_plain_hash_does_not_match_a_nul_and_a_repetition() -> None:
    # bcrypt itself cannot tell "ab" from "ab\0ab": it repeats the password with a NUL after it.
    stored = hasher.hash("ab")
    assert bcrypt.checkpw(b"ab\0ab", stored.encode())

    assert not hasher.verify("ab\0ab", stored)


def test_the_digest_of_a_long_password_does_not_pass_for_the_password() -> None:
    password = "y" * 100
    stored = hasher.hash(password)

    assert not hasher.verify(pre_hashed(password), stored)
    assert not hasher.verify(password, hasher.hash(pre_hashed(password)))


# Hashes made by other software


@pytest.mark.parametrize(
    ("password", "stored"),
    [
        # crypt_blowfish 1.3, wrapper.c
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
        ("U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        # Django 5.2, PBKDF2PasswordHasher().encode
        ("l\u00e8tmein", "pbkdf2_sha256$1000$seasalt$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A="),
    ],
)
def test_published_hashes_verify(password: str, stored: str) -> None:
    assert hasher.verify(password, stored)
    assert not hasher.verify(password + "x", stored)
    assert hasher.needs_upgrade(stored)


@pytest.mark.parametrize(
    "make",
    [
        lambda password: bcrypt.hashpw(password.encode(), bcrypt.gensalt(6)).decode(),
        lambda password: generate_password_hash(password, method="pbkdf2:sha256:1000"),
        lambda password: generate_password_hash(password, method="pbkdf2:sha512:1000"),
        lambda password: generate_password_hash(password, method="scrypt:1024:8:1"),
        argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=2, hash_len=16).hash,
        argon2.PasswordHasher(time_cost=3, memory_cost=64, parallelism=1, type=argon2.Type.I).hash,
        argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, type=argon2.Type.D).hash,
    ],
    ids=[
        "bcrypt of cost 6",
        "werkzeug sha256",
        "werkzeug sha512",
        "werkzeug scrypt",
        "argon2id",
        "argon2i",
        "argon2d",
    ],
)
@pytest.mark.parametrize("checker", [hasher, argon2_hasher], ids=["bcrypt set", "argon2id set"])
def test_hashes_of_other_libraries_verify_whatever_the_setting(
    make: Callable[[str], str], checker: PasswordHasher
) -> None:
    stored = make("caf\u00e9 society")

    assert checker.verify("caf\u00e9 society", stored)
    assert not checker.verify("cafe society", stored)


@pytest.mark.parametrize("password", [PASSWORD, "x" * 100])
def test_our_own_hashes_of_the_other_scheme_verify(password: str) -> None:
    assert argon2_hasher.verify(password, hasher.hash(password))
    assert hasher.verify(password, argon2_hasher.hash(password))


# Strings that are not a hash

DAMAGED = [
    "",
    "$",
    "plain text",
    "!unusable",
    "caf\u00e9",
    "$2b$",
    "$2b$04$" + "a" * 52,
    "$2b$04$" + "." * 54,
    "$2b$04$" + "." * 53 + "\n",
    "$2b$03$" + "." * 53,
    "$2b$99$" + "." * 53,
    "$2b$04$" + "\u00e9" * 53,
    "$2b$04$" + "v" * 53,
    "$2x$04$" + "." * 53,
    "$bcrypt-sha384",
    "$bcrypt-sha384$2b$04$",
    "$bcrypt-sha384$bcrypt-sha384$2b$04$" + "." * 53,
    "$argon2id$",
    "$argon2x$v=19$m=64,t=1,p=1$c29tZXNhbHQ$c29tZWhhc2g",
    "$argon2id$v=19$m=64,t=1,p=1$not base64$c29tZWhhc2g",
    "$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZWhhc2hzb21laGFzaA",
    "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$caf\u00e9",
    "pbkdf2_sha256$",
    "pbkdf2_sha256$0$salt$AAAA",
    "pbkdf2_sha256$many$salt$AAAA",
    "pbkdf2_sha256$99999999999999999999$salt$AAAA",
    "pbkdf2_sha256$1000$salt$caf\u00e9",
    "pbkdf2_sha1$1000$salt$AAAA",  # shorter than a digest
    "pbkdf2:",
    "pbkdf2:sha256:1000",
    "pbkdf2:sha256:1000$salt",
    "pbkdf2:sha256:1000$salt$",
    "pbkdf2:sha256:0$salt$00",
    "pbkdf2:sha256:many$salt$00",
    "pbkdf2:sha256:99999999999999999999$salt$00",
    "pbkdf2:nosuchdigest:1000$salt$00",
    "pbkdf2:sha256:1000$salt$caf\u00e9",
    "scrypt:3:8:1$salt$00",
    "scrypt:1024:8$salt$00",
    "scrypt:99999999999999999999:8:1$salt$00",
]


@pytest.fixture
def bcrypt_costs_spent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The `$2b$<cost>$` of every check that bcrypt makes during the test; the check itself is bcrypt's."""
    spent: list[str] = []
    check = bcrypt.checkpw

    def checkpw(password: bytes, hashed_password: bytes) -> bool:
        matches = check(password, hashed_password)
        spent.append(hashed_password[:7].decode())
        return matches

    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    return spent


@pytest.mark.parametrize("stored", DAMAGED)
def test_a_string_that_is_not_a_hash_matches_nothing_and_costs_one_check(
    stored: str, bcrypt_costs_spent: list[str]
) -> None:
    assert hasher.verify(PASSWORD, stored) is False
    assert bcrypt_costs_spent == ["$2b$04$"]


@pytest.mark.parametrize("stored", [hash_ for hash_ in DAMAGED if not hash_.startswith("$2b$")])
def test_a_string_that_is_not_a_hash_needs_an_upgrade(stored: str) -> None:
    assert hasher.needs_upgrade(stored)
    assert argon2_hasher.needs_upgrade(stored)


def test_a_damaged_argon2_string_costs_one_argon2_check(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    verify = argon2.PasswordHasher.verify

    def spy(self: argon2.PasswordHasher, hashed: str, password: bytes) -> bool:
        checked.append(hashed)
        return verify(self, hashed, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", spy)

    assert argon2_hasher.verify(PASSWORD, "$argon2id$v=19$junk") is False
    assert [hashed[:30] for hashed in checked] == ["$argon2id$v=19$m=19456,t=2,p=1"]


def test_an_argon2_string_with_something_after_a_nul_is_damaged() -> None:
    stored = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)

    assert not hasher.verify(PASSWORD, stored + "\0junk")


@given(stored=st.text(max_size=100))
def test_no_stored_string_raises(stored: str) -> None:
    assert hasher.verify(PASSWORD, stored) is False
    assert hasher.needs_upgrade(stored)


@given(
    stored=st.sampled_from([hasher.hash(PASSWORD), hasher.hash(PASSWORD * 9), argon2_hasher.hash(PASSWORD)]),
    place=st.integers(0, 80),
    character=st.characters(codec="ascii"),
)
def test_one_wrong_character_in_a_stored_salt_or_hash_never_raises(stored: str, place: int, character: str) -> None:
    # Only after the parameters: one more digit in those is not damage, but makes a check of many hours.
    start = stored.rindex("p=1$") + 4 if "p=1$" in stored else stored.index("$04$") + 4
    place = start + place % (len(stored) - start)
    changed = stored[:place] + character + stored[place + 1 :]

    assert hasher.verify("not the password", changed) is False


@pytest.mark.parametrize("attempt", ["x" * 73, "a\0b"], ids=["too long", "nul"])
def test_an_attempt_that_plain_bcrypt_cannot_match_costs_what_the_stored_hash_costs(
    attempt: str, bcrypt_costs_spent: list[str]
) -> None:
    stored = PasswordHasher("bcrypt", 5).hash(PASSWORD)

    assert hasher.verify(attempt, stored) is False
    assert bcrypt_costs_spent == ["$2b$05$"]


def test_an_attempt_that_is_too_long_does_not_pass_for_the_empty_password() -> None:
    stored = hasher.hash("")

    assert not hasher.verify("x" * 73, stored)


# Accounts that do not exist


@pytest.mark.parametrize("password", [PASSWORD, "", "x" * 1000, "a\0b"])
def test_the_dummy_costs_one_check_and_answers_nothing(password: str, bcrypt_costs_spent: list[str]) -> None:
    answer: object = hasher.verify_dummy(password)  # type: ignore[func-returns-value] # that is what is tested

    assert answer is None
    assert bcrypt_costs_spent == ["$2b$04$"]


def test_the_argon2_dummy_is_a_string_that_argon2_checks_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: list[type[Exception]] = []
    verify = argon2.PasswordHasher.verify

    def spy(self: argon2.PasswordHasher, hashed: str, password: bytes) -> bool:
        try:
            return verify(self, hashed, password)
        except argon2.exceptions.Argon2Error as error:
            outcomes.append(type(error))
            raise

    monkeypatch.setattr(argon2.PasswordHasher, "verify", spy)
    argon2_hasher.verify_dummy(PASSWORD)

    # A mismatch is only known after the whole computation; a string that cannot be read fails before it.
    assert outcomes == [argon2.exceptions.VerifyMismatchError]


def test_nothing_is_hashed_before_the_first_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("hashed at start")

    monkeypatch.setattr(bcrypt, "hashpw", refuse)
    monkeypatch.setattr(bcrypt, "kdf", refuse)
    monkeypatch.setattr(argon2.PasswordHasher, "hash", refuse)

    PasswordHasher("bcrypt", 31)
    PasswordHasher("argon2id", 31)


# Upgrades


@pytest.mark.parametrize("password", [PASSWORD, "x" * 100], ids=["plain", "sha384"])
@pytest.mark.parametrize(("cost", "upgraded"), [(4, True), (5, False), (6, False)])
def test_a_hash_is_upgraded_when_its_cost_is_lower_but_not_when_it_is_higher(
    password: str, cost: int, *, upgraded: bool
) -> None:
    stored = PasswordHasher("bcrypt", cost).hash(password)

    assert PasswordHasher("bcrypt", 5).needs_upgrade(stored) is upgraded


def test_another_scheme_is_upgraded() -> None:
    assert argon2_hasher.needs_upgrade(hasher.hash(PASSWORD))
    assert argon2_hasher.needs_upgrade(hasher.hash("x" * 100))
    assert hasher.needs_upgrade(argon2_hasher.hash(PASSWORD))
    assert hasher.needs_upgrade(generate_password_hash(PASSWORD, method="pbkdf2:sha256:1000"))


def test_bcrypt_under_an_older_name_is_upgraded_to_the_present_one() -> None:
    stored = hasher.hash(PASSWORD)

    assert not hasher.needs_upgrade(stored)
    assert hasher.needs_upgrade(stored.replace("$2b$", "$2a$"))
    assert hasher.needs_upgrade(stored.replace("$2b$", "$2y$"))


@pytest.mark.parametrize(
    ("parameters", "upgraded"),
    [
        ("$argon2id$v=19$m=19456,t=2,p=1$", False),
        ("$argon2id$v=19$m=65536,t=3,p=4$", False),
        ("$argon2id$v=19$m=19455,t=2,p=1$", True),
        ("$argon2id$v=19$m=19456,t=1,p=1$", True),
        ("$argon2id$v=16$m=19456,t=2,p=1$", True),
        ("$argon2id$m=19456,t=2,p=1$", True),
        ("$argon2i$v=19$m=19456,t=2,p=1$", True),
    ],
)
def test_argon2_is_upgraded_when_its_variant_memory_or_passes_are_less(parameters: str, *, upgraded: bool) -> None:
    stored = parameters + "A" * 22 + "$" + "A" * 43

    assert argon2_hasher.needs_upgrade(stored) is upgraded


# What cannot be


@pytest.mark.parametrize("cost", [3, 32, -1])
def test_a_cost_that_bcrypt_does_not_know_is_refused_with_the_range(cost: int) -> None:
    with pytest.raises(ValueError, match="4 to 31"):
        PasswordHasher("bcrypt", cost)


@pytest.mark.parametrize(
    "use",
    [
        hasher.hash,
        lambda password: hasher.verify(password, "$2b$04$" + "." * 53),
        hasher.verify_dummy,
    ],
    ids=["hash", "verify", "dummy"],
)
def test_a_lone_surrogate_is_an_error_that_does_not_carry_the_password(use: Callable[[str], object]) -> None:
    with pytest.raises(ValueError, match="lone surrogate") as caught:
        use("secret\ud800")

    assert not isinstance(caught.value, UnicodeEncodeError)
    assert caught.value.__suppress_context__
    assert "secret" not in str(caught.value)
