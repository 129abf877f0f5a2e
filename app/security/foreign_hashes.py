"""Password hashes that other systems made, besides bcrypt and Argon2, which `passwords.py` reads itself.

By who makes them, this is how they are stored:

- werkzeug: `pbkdf2:<digest>:<iterations>$<salt>$<hex>`, `scrypt:<n>:<r>:<p>$<salt>$<hex>`;
- Django: `pbkdf2_sha256$<iterations>$<salt>$<base64>`, also with sha1; `scrypt$<n>$<salt>$<r>$<p>$<base64>`;
  `bcrypt_sha256$$2b$...`;
- passlib and others (PHC strings): `$pbkdf2-sha512$i=<iterations>,l=<bytes>$<salt>$<hash>`,
  `$scrypt$ln=14,r=8,p=1$<salt>$<hash>`;
- Firebase, as supabase/auth writes it: `$fbscrypt$v=1,n=14,r=8,p=1,ss=<separator>,sk=<signer key>$<salt>$<hash>`;
- Flask-Security: `$hmac-sha512$<key>`, then another hash, which is of base64(HMAC-SHA-512(password));
- `flask users import --wrap`: `$wrapped$<digest>$<before>$<after>`, then a hash of ours, which is of base64 of a fast
  digest of the password.

What a hash names as its cost is never believed beyond a limit: a hash that costs more is not checked at all, or whoever
writes one could have a single login cost hours, or all memory.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_ITERATIONS: Final = 10_000_000
"""Of PBKDF2: ten times what OWASP asks for."""
MOST_MEMORY: Final = 256 * 1024 * 1024
"""Bytes that a check may take: twice what OWASP asks of scrypt."""
MOST_BLOCKS: Final = 2**23
"""n x r x p of scrypt: eight times what OWASP asks for."""
LONGEST: Final = 512
"""Characters of a stored hash."""
_SHORTEST_DIGEST: Final = 16
_LONGEST_DIGEST: Final = 128
_DIGESTS: Final = "md5|sha1|sha224|sha256|sha384|sha512"
FAST: Final = frozenset(_DIGESTS.split("|")) | {f"hmac-{digest}" for digest in _DIGESTS.split("|")}
"""Digests that are too fast for passwords: only taken with a hash of ours around them."""

_B64 = "[A-Za-z0-9+/._-]+={0,2}"
_NUMBER = "[1-9][0-9]{0,8}"
_WERKZEUG_PBKDF2 = re.compile(rf"pbkdf2:({_DIGESTS}):({_NUMBER})\$([^$]+)\$([0-9a-f]+)")
_WERKZEUG_SCRYPT = re.compile(rf"scrypt:({_NUMBER}):({_NUMBER}):({_NUMBER})\$([^$]+)\$([0-9a-f]+)")
_DJANGO_PBKDF2 = re.compile(rf"pbkdf2_(sha1|sha256)\$({_NUMBER})\$([^$]+)\$({_B64})")
_DJANGO_SCRYPT = re.compile(rf"scrypt\$({_NUMBER})\$([^$]+)\$({_NUMBER})\$({_NUMBER})\$({_B64})")
_DJANGO_BCRYPT = "bcrypt_sha256$"
_PHC_PBKDF2 = re.compile(rf"\$pbkdf2(?:-({_DIGESTS}))?\$(?:i=)?({_NUMBER})(?:,l=({_NUMBER}))?\$({_B64})\$({_B64})")
_PHC_SCRYPT = re.compile(rf"\$scrypt\$ln=([0-9]{{1,2}}),r=({_NUMBER}),p=({_NUMBER})\$({_B64})\$({_B64})")
_FIREBASE = re.compile(
    rf"\$fbscrypt\$v=1,n=([0-9]{{1,2}}),r=({_NUMBER}),p=({_NUMBER}),ss=((?:{_B64})?),sk=({_B64})\$({_B64})\$({_B64})"
)
_PREHASHED = re.compile(rf"\$hmac-sha512\$({_B64})(\$.+)")
_WRAPPED = re.compile(
    rf"\$wrapped\$((?:hmac-)?(?:{_DIGESTS}))\$((?:{_B64})?)\$((?:{_B64})?)(\$(?:2b|bcrypt-sha384|argon2id)\$.+)"
)
_SALT = "A" * 16
"""The salt in the dummies: its length costs nothing."""
_BCRYPT_MAX_BYTES = 72


class UnreadableHashError(Exception):
    """A stored string that no password can be checked against."""


class TooCostlyHashError(UnreadableHashError):
    """A hash whose check would cost more than is allowed."""


class ReadHash(NamedTuple):
    """A stored hash that was read, and costs no more than allowed."""

    matches: Callable[[bytes], bool]
    """Whether it was made from these bytes."""
    dummy: str
    """A stored hash of the same scheme and cost that belongs to no known password, with nothing secret in it."""


def read(stored: str, read_inner: Callable[[str], ReadHash]) -> ReadHash:
    """Read a stored hash of one of the schemes above; `read_inner` reads what is in a hash that wraps another.

    Raises UnreadableHashError, and TooCostlyHashError for one that costs more than the limits allow.
    """
    for pattern, read_parts in _READERS.items():
        if parts := pattern.fullmatch(stored):
            return read_parts(parts)
    if stored.startswith(_DJANGO_BCRYPT):
        return _django_bcrypt(stored, read_inner)
    if parts := _PREHASHED.fullmatch(stored):
        return _prehashed(parts, read_inner)
    if parts := _WRAPPED.fullmatch(stored):
        return _wrapped(parts, read_inner)
    raise UnreadableHashError


def digest_of(secret: bytes, scheme: str, before: bytes, after: bytes) -> bytes:
    """The fast digest of a password, of one of the schemes in FAST: `before` is the key of an HMAC, else salt."""
    keyed, _, name = scheme.rpartition("-")
    if keyed:
        return hmac.new(before, secret + after, name).digest()
    return hashlib.new(name, before + secret + after, usedforsecurity=False).digest()


def wrapped(scheme: str, before: bytes, after: bytes, inner: str) -> str:
    """What is stored for a fast digest; `inner` is a hash of ours of its base64."""
    return f"$wrapped${scheme}${_base64(before)}${_base64(after)}{inner}"


def prehashed(key: bytes, inner: str) -> str:
    """What is stored for a hash of HMAC-SHA-512 under this key."""
    return f"$hmac-sha512${_base64(key)}{inner}"


def pbkdf2(digest: str, iterations: int, salt: bytes, expected: bytes) -> str:
    """What is stored for this hash by PBKDF2."""
    return f"$pbkdf2-{digest}$i={iterations},l={len(expected)}${_base64(salt)}${_base64(expected)}"


def scrypt(ln: int, r: int, p: int, salt: bytes, expected: bytes) -> str:
    """What is stored for this hash by scrypt; `ln` is the binary logarithm of n."""
    return f"$scrypt$ln={ln},r={r},p={p}${_base64(salt)}${_base64(expected)}"


def from_base64(text: str) -> bytes:
    """The bytes in base64 of any of its alphabets, with or without padding. Raises UnreadableHashError."""
    plain = text.rstrip("=").translate(_TO_STANDARD)
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        raise UnreadableHashError from None


_TO_STANDARD = str.maketrans("-_.", "+/+")
"""From base64url, and from passlib's."""


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode().rstrip("=")


def _werkzeug_pbkdf2(parts: re.Match[str]) -> ReadHash:
    digest, iterations, salt, expected = parts.groups()
    dummy = f"pbkdf2:{digest}:{iterations}${_SALT}${'0' * len(expected)}"
    return _by_pbkdf2(digest, int(iterations), salt.encode(), _from_hex(expected), dummy)


def _werkzeug_scrypt(parts: re.Match[str]) -> ReadHash:
    n, r, p, salt, expected = parts.groups()
    dummy = f"scrypt:{n}:{r}:{p}${_SALT}${'0' * len(expected)}"
    return _by_scrypt((int(n), int(r), int(p)), salt.encode(), _from_hex(expected), dummy)


def _django_pbkdf2(parts: re.Match[str]) -> ReadHash:
    digest, iterations, salt, expected = parts.groups()
    dummy = f"pbkdf2_{digest}${iterations}${_SALT}${_nothing_like(expected)}"
    return _by_pbkdf2(digest, int(iterations), salt.encode(), from_base64(expected), dummy)


def _django_scrypt(parts: re.Match[str]) -> ReadHash:
    n, salt, r, p, expected = parts.groups()
    dummy = f"scrypt${n}${_SALT}${r}${p}${_nothing_like(expected)}"
    return _by_scrypt((int(n), int(r), int(p)), salt.encode(), from_base64(expected), dummy)


def _phc_pbkdf2(parts: re.Match[str]) -> ReadHash:
    digest, iterations, length, salt, expected = parts.groups()
    digest, content = digest or "sha1", from_base64(expected)
    if length and int(length) != len(content):
        raise UnreadableHashError
    dummy = f"$pbkdf2-{digest}$i={iterations},l={len(content)}${_SALT}${_base64(bytes(len(content)))}"
    return _by_pbkdf2(digest, int(iterations), from_base64(salt), content, dummy)


def _phc_scrypt(parts: re.Match[str]) -> ReadHash:
    ln, r, p, salt, expected = parts.groups()
    dummy = f"$scrypt$ln={ln},r={r},p={p}${_SALT}${_nothing_like(expected)}"
    return _by_scrypt((2 ** int(ln), int(r), int(p)), from_base64(salt), from_base64(expected), dummy)


def _firebase(parts: re.Match[str]) -> ReadHash:
    """Firebase's: the signer key, encrypted under a key that scrypt derives from the password."""
    ln, r, p, separator, signer, salt, expected = parts.groups()
    cost, key = (2 ** int(ln), int(r), int(p)), from_base64(signer)
    whole_salt, content = from_base64(salt) + from_base64(separator), from_base64(expected)
    _require_scrypt(cost)
    _require_digest(content)

    def matches(secret: bytes) -> bool:
        derived = _scrypt(secret, cost, whole_salt, 64)[:32]
        made = Cipher(AES(derived), CTR(bytes(16))).encryptor().update(key)
        return hmac.compare_digest(made, content)

    parameters = f"v=1,n={ln},r={r},p={p},ss=,sk={_nothing_like(signer)}"
    return ReadHash(matches, f"$fbscrypt${parameters}${_SALT}${_nothing_like(expected)}")


def _django_bcrypt(stored: str, read_inner: Callable[[str], ReadHash]) -> ReadHash:
    """Django's: bcrypt of the SHA-256 in hexadecimal digits."""
    plain = stored.removeprefix(_DJANGO_BCRYPT)
    if not plain.startswith("$2"):
        raise UnreadableHashError
    inner = read_inner(plain)
    return ReadHash(
        lambda secret: inner.matches(hashlib.sha256(secret).hexdigest().encode()), _DJANGO_BCRYPT + inner.dummy
    )


def _prehashed(parts: re.Match[str], read_inner: Callable[[str], ReadHash]) -> ReadHash:
    key, stored = from_base64(parts[1]), parts[2]
    if stored.startswith(("$hmac", "$wrapped")):  # nobody makes such, and each level would cost
        raise UnreadableHashError
    inner = read_inner(stored)
    # Libraries of that time cut off what bcrypt does not take.
    most = _BCRYPT_MAX_BYTES if stored.startswith("$2") else None

    def matches(secret: bytes) -> bool:
        return inner.matches(base64.b64encode(hmac.new(key, secret, "sha512").digest())[:most])

    return ReadHash(matches, prehashed(bytes(len(key)), inner.dummy))


def _wrapped(parts: re.Match[str], read_inner: Callable[[str], ReadHash]) -> ReadHash:
    scheme, before, after = parts[1], from_base64(parts[2]), from_base64(parts[3])
    inner = read_inner(parts[4])

    def matches(secret: bytes) -> bool:
        return inner.matches(base64.b64encode(digest_of(secret, scheme, before, after)))

    return ReadHash(matches, wrapped(scheme, bytes(len(before)), bytes(len(after)), inner.dummy))


def _by_pbkdf2(digest: str, iterations: int, salt: bytes, expected: bytes, dummy: str) -> ReadHash:
    _require_digest(expected)
    blocks = -(-len(expected) // hashlib.new(digest, usedforsecurity=False).digest_size)
    if iterations * blocks > MOST_ITERATIONS:
        raise TooCostlyHashError

    def matches(secret: bytes) -> bool:
        return hmac.compare_digest(hashlib.pbkdf2_hmac(digest, secret, salt, iterations, len(expected)), expected)

    return ReadHash(matches, dummy)


def _by_scrypt(cost: tuple[int, int, int], salt: bytes, expected: bytes, dummy: str) -> ReadHash:
    _require_digest(expected)
    _require_scrypt(cost)

    def matches(secret: bytes) -> bool:
        return hmac.compare_digest(_scrypt(secret, cost, salt, len(expected)), expected)

    return ReadHash(matches, dummy)


def _scrypt(secret: bytes, cost: tuple[int, int, int], salt: bytes, length: int) -> bytes:
    n, r, p = cost
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=2 * MOST_MEMORY, dklen=length)


def _require_scrypt(cost: tuple[int, int, int]) -> None:
    """Raises UnreadableHashError for what scrypt does not know, TooCostlyHashError for too much (RFC 7914)."""
    n, r, p = cost
    if n.bit_count() != 1 or n == 1:
        raise UnreadableHashError
    # What a check takes: the table of n x r blocks of 128 bytes, and p more of them.
    if 128 * r * (n + p) > MOST_MEMORY or n * r * p > MOST_BLOCKS:
        raise TooCostlyHashError


def _require_digest(expected: bytes) -> None:
    """A short one would be matched by many passwords."""
    if not _SHORTEST_DIGEST <= len(expected) <= _LONGEST_DIGEST:
        raise UnreadableHashError


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UnreadableHashError from None


def _nothing_like(text: str) -> str:
    """Base64 of as many zero bytes as this holds."""
    return _base64(bytes(len(from_base64(text))))


_READERS: Final[dict[re.Pattern[str], Callable[[re.Match[str]], ReadHash]]] = {
    _WERKZEUG_PBKDF2: _werkzeug_pbkdf2,
    _WERKZEUG_SCRYPT: _werkzeug_scrypt,
    _DJANGO_PBKDF2: _django_pbkdf2,
    _DJANGO_SCRYPT: _django_scrypt,
    _PHC_PBKDF2: _phc_pbkdf2,
    _PHC_SCRYPT: _phc_scrypt,
    _FIREBASE: _firebase,
}
