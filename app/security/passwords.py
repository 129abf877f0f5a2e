"""How passwords are hashed and checked.

The stored string names its scheme, and that scheme alone, never the length of an attempt, decides how an attempt is
checked:

- `$2b$<cost>$...`                plain bcrypt, which every bcrypt library reads: at most 72 bytes, no NUL;
- `$bcrypt-sha384$2b$<cost>$...`  bcrypt over base64(SHA-384(password)): for every other password;
- `$argon2id$...`                 Argon2id, when the setting asks for it.

Hashes made by other software verify, too, and are replaced at the next login: bcrypt `$2a$` and `$2y$`, every Argon2,
werkzeug's `pbkdf2:` and `scrypt:`, Django's `pbkdf2_sha256$`.

Everything here is synchronous and costs a quarter of a second: run it in `hash_pool.HashPool`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Literal, TypeAlias

import bcrypt

Scheme: TypeAlias = Literal["bcrypt", "argon2id"]

BCRYPT_MAX_BYTES = 72
BCRYPT_COSTS = range(4, 32)

# OWASP Password Storage Cheat Sheet, Argon2id: m=19 MiB (in KiB), t=2, p=1.
ARGON2_MEMORY_KIB = 19 * 1024
ARGON2_PASSES = 2
ARGON2_LANES = 1
ARGON2_VERSION = 19

_SHA384_PREFIX = "$bcrypt-sha384"
_BCRYPT = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")
_OWN_BCRYPT = re.compile(r"(?:\$bcrypt-sha384)?\$2b\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_DJANGO_PBKDF2 = re.compile(r"pbkdf2_sha256\$([0-9]+)\$([^$]+)\$([A-Za-z0-9+/=]+)")
_WERKZEUG = re.compile(r"(?:pbkdf2|scrypt):[^$]+\$[^$]+\$[0-9a-f]+")


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
            return _matches(secret, stored)
        except _UnreadableHashError:
            _matches(secret, self._dummy)
            return False

    def verify_dummy(self, password: str) -> None:
        """Take as long as `verify` with a hash of the present scheme; for an account that does not exist."""
        _matches(_utf8(password), self._dummy)

    def needs_upgrade(self, stored: str) -> bool:
        """Whether a hash that has just been verified should be replaced by a new one of the same password.

        True for another scheme or a lower cost than the setting's; a higher cost stays. Both forms of bcrypt, plain and
        SHA-384, are current: the password decides between them.
        """
        if self._scheme == "argon2id":
            return not _argon2_is_current(stored)
        own = _OWN_BCRYPT.fullmatch(stored)
        return own is None or int(own[1]) < self._bcrypt_cost


class _UnreadableHashError(Exception):
    """A stored string that no password can be checked against."""


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


def _matches(secret: bytes, stored: str) -> bool:
    """Check by the scheme that `stored` names; raises _UnreadableHashError if it names none or is damaged."""
    if stored.startswith(_SHA384_PREFIX):
        return _bcrypt_matches(_sha384(secret), stored.removeprefix(_SHA384_PREFIX))
    if stored.startswith("$2"):
        return _bcrypt_matches(secret, stored)
    if stored.startswith("$argon2"):
        return _argon2_matches(secret, stored)
    if stored.startswith("pbkdf2_sha256$"):
        return _django_matches(secret, stored)
    if stored.startswith(("pbkdf2:", "scrypt:")):
        return _werkzeug_matches(secret, stored)
    raise _UnreadableHashError


def _bcrypt_matches(secret: bytes, stored: str) -> bool:
    if not _BCRYPT.fullmatch(stored):
        raise _UnreadableHashError
    # bcrypt 5 raises above 72 bytes: a password that cannot match is checked as an empty one, and is wrong.
    fits = _fits_bcrypt(secret)
    try:
        return bcrypt.checkpw(secret if fits else b"", stored.encode("ascii")) and fits
    except ValueError as error:
        raise _UnreadableHashError from error


def _bcrypt_dummy(cost: int) -> str:
    """A well-formed bcrypt string: cost, 22 characters of salt, 31 of a hash that belongs to no known password."""
    return f"$2b${cost:02d}${'.' * 53}"


def _argon2_hash(secret: bytes) -> str:
    from argon2 import PasswordHasher as Argon2  # noqa: PLC0415 - only its users pay for its memory

    hasher = Argon2(time_cost=ARGON2_PASSES, memory_cost=ARGON2_MEMORY_KIB, parallelism=ARGON2_LANES)
    return hasher.hash(secret)


def _argon2_matches(secret: bytes, stored: str) -> bool:
    from argon2 import PasswordHasher as Argon2  # noqa: PLC0415 - only its users pay for its memory
    from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError  # noqa: PLC0415 - same

    # Argon2's C code reads a string up to its first NUL and would ignore the rest.
    if not stored.isprintable() or not stored.isascii():
        raise _UnreadableHashError
    try:
        return Argon2().verify(stored, secret)
    except VerifyMismatchError:
        return False
    except (InvalidHashError, VerificationError) as error:
        raise _UnreadableHashError from error


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


def _django_matches(secret: bytes, stored: str) -> bool:
    """Check Django's `pbkdf2_sha256$<iterations>$<salt>$<base64>`."""
    parts = _DJANGO_PBKDF2.fullmatch(stored)
    if parts is None:
        raise _UnreadableHashError
    iterations, salt, expected = parts.groups()
    try:
        derived = hashlib.pbkdf2_hmac("sha256", secret, salt.encode(), int(iterations))
    except (ValueError, OverflowError) as error:
        raise _UnreadableHashError from error
    return hmac.compare_digest(base64.b64encode(derived), expected.encode("ascii"))


def _werkzeug_matches(secret: bytes, stored: str) -> bool:
    """Check werkzeug's `pbkdf2:<digest>:<iterations>$<salt>$<hex>` and `scrypt:<n>:<r>:<p>$<salt>$<hex>`."""
    from werkzeug.security import check_password_hash  # noqa: PLC0415 - only imported accounts need it

    if not _WERKZEUG.fullmatch(stored):
        raise _UnreadableHashError
    try:
        return check_password_hash(stored, secret.decode("utf-8"))
    except (ValueError, OverflowError, MemoryError) as error:
        raise _UnreadableHashError from error
