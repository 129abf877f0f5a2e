"""Password hashes as files have them, brought into the form in which they are stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.security.foreign_hashes import FAST, TooCostlyHashError, UnreadableHashError, from_base64
from app.security.passwords import read
from app.transfer.incoming import FastDigest, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    Hash = str | FastDigest | RefusedError | None

_BY_LENGTH: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
"""The digests that hexadecimal digits of these lengths are."""
_SALTED: Final = re.compile(r"(md5|sha1)\$([^$]*)\$([0-9a-f]{32,40})")
_HEX: Final = re.compile(r"[0-9a-fA-F]+")


def hash_of(text: str | None, around: Callable[[str], str] | None = None) -> Hash:
    """What to store for a hash that names its scheme; None if there is none, or one that no password has.

    `around` makes of it what is stored, if it is not the hash of the password itself.
    """
    if not text or text.startswith(("!", "*")):
        return None
    plain = text.removeprefix("bcrypt$") if text.startswith("bcrypt$$2") else text
    plain = plain.removeprefix("argon2") if plain.startswith("argon2$argon2") else plain
    return checked(lambda: around(plain) if around else plain)


def weak_hash_of(text: str) -> Hash:
    """A digest without a name, or with Django's: `md5$<salt>$<hex>`."""
    if parts := _SALTED.fullmatch(text):
        return FastDigest(parts[1], parts[2].encode(), b"", bytes.fromhex(parts[3]))
    if _HEX.fullmatch(text) and (scheme := _BY_LENGTH.get(len(text))):
        return FastDigest(scheme, b"", b"", bytes.fromhex(text))
    return RefusedError("unsupported_hash")


def fast_digest(scheme: str, before: bytes, after: bytes, digest: bytes) -> Hash:
    """A digest of a named scheme."""
    return FastDigest(scheme, before, after, digest) if scheme in FAST else RefusedError("unsupported_hash")


def checked(make: Callable[[], str]) -> Hash:
    """What this makes, if this service can check it; why not, otherwise."""
    try:
        stored = make()
        read(stored)
    except TooCostlyHashError:
        return RefusedError("too_costly_hash")
    except (UnreadableHashError, ValueError):
        return RefusedError("unsupported_hash")
    return stored


def decoded(text: str, encoding: str) -> bytes:
    """The bytes of a text in this encoding. Raises UnreadableHashError."""
    if encoding == "hex":
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise UnreadableHashError from None
    return from_base64(text) if encoding == "base64" else text.encode()
