"""Clerk: the CSV of its dashboard, or a JSON list with the same fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from app.security import foreign_hashes
from app.security.foreign_hashes import from_base64
from app.transfer.formats.fields import Fields, totp
from app.transfer.formats.hashes import checked, hash_of, weak_hash_of
from app.transfer.incoming import Incoming

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.transfer.formats.hashes import Hash

_BETWEEN: Final = re.compile(r'[\s,;|"\[\]]+')
_PBKDF2: Final = {"pbkdf2_sha1": "sha1", "pbkdf2_sha256": "sha256", "pbkdf2_sha512": "sha512"}
_WEAK: Final = frozenset({"md5", "sha256"})


def incoming(content: dict[str, Any], _: Mapping[str, Any]) -> Incoming:
    """A user of Clerk. Raises RefusedError."""
    fields = Fields(content)
    email = fields.text("primary_email_address", "email_address", "email")
    verified = fields.first("verified_email_addresses")[1] or ""
    return Incoming(
        id=fields.text("id"),
        email=email,
        email_verified=email is not None and email in _BETWEEN.split(str(verified).replace("'", '"')),
        username=fields.text("username"),
        name=fields.full_name("name"),
        status="disabled" if fields.flag("banned", "locked") else "active",
        created_at=fields.moment("created_at"),
        last_login_at=fields.moment("last_sign_in_at"),
        hash=_hash(fields.text("password_hasher"), fields.text("password_digest")),
        totp=totp(fields.text("totp_secret")),
    )


def _hash(hasher: str | None, digest: str | None) -> Hash:
    if digest is None:
        return None
    if hasher == "scrypt_firebase":
        return checked(lambda: _firebase(digest))
    if hasher in _PBKDF2:
        return checked(lambda: _pbkdf2(_PBKDF2[hasher], digest))
    return weak_hash_of(digest) if hasher in _WEAK else hash_of(digest)


def _firebase(digest: str) -> str:
    """`<hash>$<salt>$<signer key>$<separator>$<rounds>$<memory cost>`, where Firebase has them in a configuration."""
    made, salt, signer, separator, rounds, memory = digest.split("$")
    return f"$fbscrypt$v=1,n={memory},r={rounds},p=1,ss={separator},sk={signer}${salt}${made}"


def _pbkdf2(scheme: str, digest: str) -> str:
    """Like Django's, but the salt is in base64; and for SHA-1 a plain salt, and a hash in hexadecimal digits."""
    _, iterations, salt, made = digest.split("$")
    if scheme == "sha1":
        return foreign_hashes.pbkdf2(scheme, int(iterations), salt.encode(), bytes.fromhex(made))
    return foreign_hashes.pbkdf2(scheme, int(iterations), from_base64(salt), from_base64(made))
