"""Auth0: its exports of users, its exports of hashes (from the support), and what its own import takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.security import foreign_hashes
from app.security.foreign_hashes import UnreadableHashError
from app.transfer.formats.fields import Fields, identity, totp
from app.transfer.formats.hashes import checked, decoded, fast_digest, hash_of
from app.transfer.incoming import Incoming, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.transfer.formats.hashes import Hash

_OWN: Final = "auth0"
"""The provider of users with a password."""


def incoming(content: dict[str, Any], _: Mapping[str, Any]) -> Incoming:
    """A user of Auth0. Raises RefusedError."""
    fields = Fields(content)
    return Incoming(
        id=_id(fields),
        email=fields.text("email"),
        email_verified=bool(fields.flag("email_verified")),
        username=fields.text("username"),
        name=_name(fields),
        status="disabled" if fields.flag("blocked") else "active",
        created_at=fields.moment("created_at"),
        last_login_at=fields.moment("last_login"),
        hash=_hash(fields),
        identities=tuple(
            identity(each.text("provider"), each.text("user_id"))
            for each in fields.inners("identities")
            if each.text("provider") != _OWN
        ),
        totp=tuple(found for each in fields.inners("mfa_factors") for found in totp(each.inner("totp").text("secret"))),
    )


def _id(fields: Fields) -> str | None:
    """`auth0|<id>`: exports of hashes leave out the provider."""
    found = fields.text("user_id", "_id")
    return f"{_OWN}|{found}" if found and "|" not in found else found


def _name(fields: Fields) -> str | None:
    """Auth0 fills in the address where it knows no name."""
    found = fields.full_name("name")
    return None if found == fields.text("email") else found


def _hash(fields: Fields) -> Hash:
    custom = fields.inner("custom_password_hash")
    if not custom.content:
        return hash_of(fields.text("passwordHash", "password_hash"))
    try:
        return _custom(custom)
    except UnreadableHashError:
        return RefusedError("unsupported_hash")


def _custom(fields: Fields) -> Hash:
    """What Auth0's import takes as `custom_password_hash`."""
    scheme, made, salted = fields.text("algorithm") or "", fields.inner("hash"), fields.inner("salt")
    text = made.text("value") or ""
    if scheme in {"bcrypt", "argon2", "pbkdf2"}:
        return hash_of(text)
    digest = decoded(text, made.text("encoding") or "hex")
    salt = decoded(salted.text("value") or "", salted.text("encoding") or "utf8")
    if scheme == "scrypt":
        n, r, p = (_number(fields, name, else_) for name, else_ in _SCRYPT)
        if n.bit_count() != 1:
            raise UnreadableHashError
        return checked(lambda: foreign_hashes.scrypt(n.bit_length() - 1, r, p, salt, digest))
    if scheme == "hmac":
        key = made.inner("key")
        secret = decoded(key.text("value") or "", key.text("encoding") or "utf8")
        return fast_digest(f"hmac-{made.text('digest')}", secret, b"", digest)
    is_behind = salted.text("position") == "suffix"
    return fast_digest(scheme, b"" if is_behind else salt, salt if is_behind else b"", digest)


_SCRYPT: Final = (("cost", 16384), ("blockSize", 8), ("parallelization", 1))
"""The parameters of scrypt, with Node.js' defaults."""


def _number(fields: Fields, name: str, otherwise: int) -> int:
    found = fields.content.get(name, otherwise)
    if not isinstance(found, int) or found < 1:
        raise UnreadableHashError
    return found
