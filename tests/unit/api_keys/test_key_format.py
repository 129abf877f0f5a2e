"""The form of API keys."""

import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api_keys.key_format import SentKey, beginning, make, parse

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def in_base62(number: int, length: int) -> str:
    """Computed from the first character on, by powers: `make` computes from the last, by remainders."""
    characters = ""
    for power in range(length - 1, -1, -1):
        value = number // 62**power
        characters, number = characters + BASE62[value], number - value * 62**power
    return characters


def crc(text: str) -> int:
    """CRC-32 bit by bit, as ISO 3309 defines it: reflected, with the polynomial EDB88320, inverted before and after."""
    register = 0xFFFFFFFF
    for byte in text.encode():
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def with_checksum(begun: str) -> str:
    return begun + in_base62(crc(begun), 6)


# Computed by a program in Perl, with its big numbers and zlib.
VECTORS = [
    (UUID(int=0), bytes(32), "lk_0000000000000000000000_00000000000000000000000000000000000000000000igC28"),
    (
        UUID("019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"),
        bytes(range(32)),
        "lk_031eO7uq6ul9OHcIALKdWk_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf1UIiRp",
    ),
    (
        UUID(int=2**128 - 1),
        b"\xff" * 32,
        "lk_7n42DGM5Tflk9n8mt7Fhc7_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp12dY6GR",
    ),
]


@pytest.mark.parametrize(("key_id", "secret", "key"), VECTORS)
def test_a_key_is_made_to_the_letter(key_id: UUID, secret: bytes, key: str) -> None:
    begun = f"lk_{in_base62(key_id.int, 22)}_{in_base62(int.from_bytes(secret, 'big'), 43)}"
    assert make(str(key_id), secret) == with_checksum(begun)
    assert make(str(key_id), secret) == key


@given(key_id=st.uuids(), secret=st.binary(min_size=32, max_size=32))
def test_what_is_made_is_read(key_id: UUID, secret: bytes) -> None:
    key = make(str(key_id), secret)
    assert parse(key) == SentKey(str(key_id), secret)
    assert key.startswith(beginning(str(key_id)))


@given(st.text() | st.from_regex(r"\Alk_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}\Z"))
def test_what_is_read_is_what_would_be_made(text: str) -> None:
    sent = parse(text)
    assert sent is None or make(sent.id, sent.secret) == text


KEY = make("019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a", bytes(range(32)))


@pytest.mark.parametrize("place", range(len(KEY)))
def test_a_key_with_one_wrong_character_is_none(place: int) -> None:
    other = "0" if KEY[place] != "0" else "1"
    assert parse(KEY[:place] + other + KEY[place + 1 :]) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lk_",
        KEY[:-1],
        KEY + "0",
        KEY + "\n",
        f" {KEY}",
        KEY.upper(),
        KEY.replace("lk_", "LK_"),
        with_checksum("lk_" + in_base62(2**128, 22) + "_" + "0" * 43),
        with_checksum("lk_" + "z" * 22 + "_" + "0" * 43),
        with_checksum("lk_" + "0" * 22 + "_" + in_base62(2**256, 43)),
        with_checksum("lk_" + "0" * 22 + "_" + "z" * 43),
        with_checksum("lk_" + "0" * 21 + "_" + "0" * 43),
        "lk_" + "\N{ARABIC-INDIC DIGIT ZERO}" * 22 + "_" + "0" * 49,
    ],
    ids=range(14),
)
def test_odd_texts_are_no_keys(text: str) -> None:
    assert parse(text) is None


def test_no_secret_is_in_what_is_printed_of_a_key() -> None:
    sent = parse(KEY)
    assert "secret" not in repr(sent)
