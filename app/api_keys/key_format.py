"""The form of an API key: `lk_`, 22 characters of its identifier, `_`, 43 of its secret, 6 of a checksum.

The identifier is a UUID, the secret 32 random bytes, the checksum the CRC-32 of all that stands before it. Each is a
number in base 62 (digits first, then capitals, then small letters), padded with 0. So a scanner that finds a key in
somebody's code can tell it from other text without asking anyone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID
from zlib import crc32

PREFIX: Final = "lk_"
SECRET_BYTES: Final = 32
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE_OF: Final = {character: value for value, character in enumerate(_ALPHABET)}
_ID, _SECRET, _CHECKSUM = 22, 43, 6
"""Characters of each."""
_FORM: Final = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_ID}}})_([0-9A-Za-z]{{{_SECRET}}})([0-9A-Za-z]{{{_CHECKSUM}}})")
_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class SentKey:
    """What a key that was sent says: the identifier that it is looked up by, and its secret."""

    id: str
    secret: bytes = field(repr=False)


def make(key_id: str, secret: bytes) -> str:
    """The key with this identifier (a UUID) and this secret of SECRET_BYTES bytes."""
    begun = f"{PREFIX}{_id_in_base62(key_id)}_{_in_base62(int.from_bytes(secret, 'big'), _SECRET)}"
    return begun + _checksum(begun)


def parse(text: str) -> SentKey | None:
    """What is in a key; None for a text that `make` never returns."""
    found = _FORM.fullmatch(text)
    if found is None or _checksum(text[:-_CHECKSUM]) != found[3]:
        return None
    try:
        key_id = str(UUID(int=_number(found[1])))
        return SentKey(key_id, _number(found[2]).to_bytes(SECRET_BYTES, "big"))
    except (ValueError, OverflowError):  # beyond 2^128, or 2^256
        return None


def beginning(key_id: str) -> str:
    """The first characters of a key, by which people recognise it: they are no secret."""
    return PREFIX + _id_in_base62(key_id)[:_SHOWN]


def _id_in_base62(key_id: str) -> str:
    return _in_base62(UUID(key_id).int, _ID)


def _checksum(text: str) -> str:
    return _in_base62(crc32(text.encode("ascii")), _CHECKSUM)


def _in_base62(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, value = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[value])
    return "".join(reversed(characters))


def _number(text: str) -> int:
    number = 0
    for character in text:
        number = number * len(_ALPHABET) + _VALUE_OF[character]
    return number
