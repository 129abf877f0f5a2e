"""How passwords are hashed and checked.

The stored string names its scheme, and that scheme alone, never the length of an attempt, decides how an attempt is
checked:

- `$2b$<cost>$...`                plain bcrypt, which every bcrypt library reads: at most 72 bytes, no NUL;
- `$bcrypt-sha384$2b$<cost>$...`  bcrypt over base64(SHA-384(password)): for every other password;
- `$argon2id$...`                 Argon2id, when the setting asks for it.

Hashes made by other software verify, too, and are replaced at the next login: bcrypt `$2a$` and `$2y$`, every Argon2,
and those of `foreign_hashes.py`. None is checked that would cost more than the limits allow.

Everything here is synchronous and costs a quarter of a second: run it in `hash_pool.HashPool`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final, Literal, TypeAlias

import bcrypt

from app.security import foreign_hashes
from app.security.foreign_hashes import LONGEST, MOST_MEMORY, ReadHash, TooCostlyHashError, UnreadableHashError

Scheme: TypeAlias = Literal["bcrypt", "argon2id"]

BCRYPT_MAX_BYTES = 72
BCRYPT_COSTS = range(4, 32)
_BCRYPT_STATE = 4 * 1024
"""Bytes of Blowfish's tables and subkeys."""

# OWASP Password Storage Cheat Sheet, Argon2id: m=19 MiB (in KiB), t=2, p=1.
ARGON2_MEMORY_KIB = 19 * 1024
ARGON2_PASSES = 2
ARGON2_LANES = 1
ARGON2_VERSION = 19

MOST_BCRYPT_COST: Final = 17
"""As much as the setting BCRYPT_COST allows."""
MOST_ARGON2_WORK: Final = 2 * 1024 * 1024
"""KiB of memory times passes."""
MOST_LANES: Final = 16

_SHA384_PREFIX = "$bcrypt-sha384"
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_OWN_BCRYPT = re.compile(r"(?:\$bcrypt-sha384)?\$2b\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_NUMBER = "([1-9][0-9]{0,8})"
_ARGON2 = re.compile(
    rf"(\$argon2(?:id|i|d)\$(?:v=[0-9]{{2}}\$)?m={_NUMBER},t={_NUMBER},p={_NUMBER}\$)([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)


class PasswordHasher:
    """Hashes new passwords by one scheme and checks passwords against any known one."""

    def __init__(self, scheme: Scheme = "bcrypt", bcrypt_cost: int = 12) -> None:
        """`scheme` is for new passwords; `bcrypt_cost`, 4 to 31, is the binary logarithm of the rounds.

        Hashes nothing, so that a start costs nothing. Raises ValueError if bcrypt has no such cost.
        """
        if bcrypt_cost not in BCRYPT_COSTS:
            raise ValueError(f"bcrypt knows costs from 4 to 31, not {bcrypt_cost}; 12 is a good one")
        self._scheme = scheme
        self._bcrypt_cost = bcrypt_cost
        self._dummy = _argon2_dummy() if scheme == "argon2id" else _bcrypt_dummy(bcrypt_cost)

    def hash(self, password: str) -> str:
        """The string to store for a new password, of any length and with any characters."""
        secret = _utf8(password)
        if self._scheme == "argon2id":
            return _argon2_hash(secret)
        salt = bcrypt.gensalt(self._bcrypt_cost)
        if _fits_bcrypt(secret):
            return bcrypt.hashpw(secret, salt).decode("ascii")
        return _SHA384_PREFIX + bcrypt.hashpw(_sha384(secret), salt).decode("ascii")

    def verify(self, password: str, stored: str) -> bool:
        """Whether the password is the one that `stored` was made from.

        A stored string that is corrupt or of an unknown scheme matches nothing. The check then takes as long as one of
        the present scheme, so that its time reveals nothing.
        """
        secret = _utf8(password)
        try:
            return read(stored).matches(secret)
        except UnreadableHashError:
            read(self._dummy).matches(secret)
            return False

    def verify_dummy(self, password: str, dummy: str | None = None) -> None:
        """Take as long as `verify` with the hash `dummy`, or one of the present scheme; for an account that does not
        exist."""
        self.verify(password, dummy or self._dummy)

    def needs_upgrade(self, stored: str) -> bool:
        """Whether a hash that has just been verified should be replaced by a new one of the same password.

        True for another scheme or a lower cost than the setting's; a higher cost stays. Both forms of bcrypt, plain and
        SHA-384, are current: the password decides between them.
        """
        if self._scheme == "argon2id":
            return not _argon2_is_current(stored)
        own = _OWN_BCRYPT.fullmatch(stored)
        return own is None or int(own[1]) < self._bcrypt_cost


def memory_bytes(scheme: Scheme) -> int:
    """The memory that a new hash takes while it is made or checked; one made elsewhere may take up to MOST_MEMORY."""
    return ARGON2_MEMORY_KIB * 1024 if scheme == "argon2id" else _BCRYPT_STATE


def _utf8(password: str) -> bytes:
    """The bytes that are hashed, exactly as received: nothing trimmed, normalised or cut (OWASP ASVS 6.2.8).

    Raises ValueError for a lone surrogate, which the body parser has refused before. The cause is left out, because a
    UnicodeEncodeError holds the whole password.
    """
    try:
        return password.encode("utf-8", errors="strict")
    except UnicodeEncodeError:
        raise ValueError("a password with a lone surrogate has no UTF-8 form: refuse it at input") from None


def _fits_bcrypt(secret: bytes) -> bool:
    # bcrypt repeats the password with a NUL after it, so "a" and "a\0a" would be the same key.
    return len(secret) <= BCRYPT_MAX_BYTES and b"\0" not in secret


def _sha384(secret: bytes) -> bytes:
    """The whole password in 64 characters, which bcrypt takes; base64, as raw bytes may hold a NUL."""
    return base64.b64encode(hashlib.sha384(secret).digest())


def read(stored: str) -> ReadHash:
    """Read a stored hash of any scheme, without checking a password.

    Raises UnreadableHashError if it names no scheme or is damaged, and TooCostlyHashError if its check would cost more
    than is allowed.
    """
    if len(stored) > LONGEST:
        raise UnreadableHashError
    if stored.startswith(_SHA384_PREFIX):
        plain = _read_bcrypt(stored.removeprefix(_SHA384_PREFIX))
        return ReadHash(lambda secret: plain.matches(_sha384(secret)), _SHA384_PREFIX + plain.dummy)
    if stored.startswith("$2"):
        return _read_bcrypt(stored)
    if stored.startswith("$argon2"):
        return _read_argon2(stored)
    return foreign_hashes.read(stored, read)


def _read_bcrypt(stored: str) -> ReadHash:
    parts = _BCRYPT.fullmatch(stored)
    if parts is None:
        raise UnreadableHashError
    if int(parts[1]) > MOST_BCRYPT_COST:
        raise TooCostlyHashError
    return ReadHash(lambda secret: _bcrypt_matches(secret, stored), _bcrypt_dummy(int(parts[1])))


def _bcrypt_matches(secret: bytes, stored: str) -> bool:
    # bcrypt 5 raises above 72 bytes: a password that cannot match is checked as an empty one, and is wrong.
    fits = _fits_bcrypt(secret)
    try:
        return bcrypt.checkpw(secret if fits else b"", stored.encode("ascii")) and fits
    except ValueError as error:
        raise UnreadableHashError from error


def _bcrypt_dummy(cost: int) -> str:
    """A well-formed bcrypt string: cost, 22 characters of salt, 31 of a hash that belongs to no known password."""
    return f"$2b${cost:02d}${'.' * 53}"


def _argon2_hash(secret: bytes) -> str:
    from argon2 import PasswordHasher as Argon2  # noqa: PLC0415 - only its users pay for its memory

    hasher = Argon2(time_cost=ARGON2_PASSES, memory_cost=ARGON2_MEMORY_KIB, parallelism=ARGON2_LANES)
    return hasher.hash(secret)


def _read_argon2(stored: str) -> ReadHash:
    parts = _ARGON2.fullmatch(stored)
    if parts is None:
        raise UnreadableHashError
    (memory, passes, lanes), (salt, expected) = map(int, parts.groups()[1:4]), parts.groups()[4:]
    if memory * 1024 > MOST_MEMORY or memory * passes > MOST_ARGON2_WORK or lanes > MOST_LANES:
        raise TooCostlyHashError
    dummy = f"{parts[1]}{'A' * len(salt)}${'A' * len(expected)}"
    return ReadHash(lambda secret: _argon2_matches(secret, stored), dummy)


def _argon2_matches(secret: bytes, stored: str) -> bool:
    from argon2 import PasswordHasher as Argon2  # noqa: PLC0415 - only its users pay for its memory
    from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError  # noqa: PLC0415 - same

    try:
        return Argon2().verify(stored, secret)
    except VerifyMismatchError:
        return False
    except (InvalidHashError, VerificationError) as error:
        raise UnreadableHashError from error


def _argon2_is_current(stored: str) -> bool:
    from argon2 import Type, extract_parameters  # noqa: PLC0415 - only its users pay for its memory
    from argon2.exceptions import InvalidHashError  # noqa: PLC0415 - same

    try:
        made_with = extract_parameters(stored)
    except InvalidHashError:
        return False
    return (
        made_with.type is Type.ID
        and made_with.version >= ARGON2_VERSION
        and made_with.memory_cost >= ARGON2_MEMORY_KIB
        and made_with.time_cost >= ARGON2_PASSES
    )


def _argon2_dummy() -> str:
    """A well-formed Argon2id string: 16 bytes of salt and 32 of a hash that belongs to no known password."""
    parameters = f"v={ARGON2_VERSION}$m={ARGON2_MEMORY_KIB},t={ARGON2_PASSES},p={ARGON2_LANES}"
    return f"$argon2id${parameters}${'A' * 22}${'A' * 43}"
