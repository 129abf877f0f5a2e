"""Keycloak: the users of a realm's export."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from app.security import foreign_hashes
from app.security.foreign_hashes import UnreadableHashError, from_base64
from app.transfer.formats.fields import Fields, identity, totp
from app.transfer.formats.hashes import checked
from app.transfer.incoming import Incoming, RefusedError, Totp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.transfer.formats.hashes import Hash

_PBKDF2: Final = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}
_ARGON2_VERSIONS: Final = {"1.0": 16, "1.3": 19}
_TOTP: Final = {"HmacSHA1": "SHA1", "HmacSHA256": "SHA256", "HmacSHA512": "SHA512"}


def incoming(content: dict[str, Any], _: Mapping[str, Any]) -> Incoming:
    """A user of a realm. Raises RefusedError."""
    fields = Fields(content)
    credentials = fields.inners("credentials")
    return Incoming(
        id=fields.text("id"),
        email=fields.text("email"),
        email_verified=bool(fields.flag("emailVerified")),
        username=fields.text("username"),
        name=fields.full_name("name"),
        status="disabled" if fields.flag("enabled") is False else "active",
        created_at=fields.moment("createdTimestamp"),
        hash=next((_hash(each) for each in credentials if each.text("type") == "password"), None),
        identities=tuple(
            identity(each.text("identityProvider"), each.text("userId"))
            for each in fields.inners("federatedIdentities")
        ),
        totp=tuple(found for each in credentials if each.text("type") == "otp" for found in _totp(each)),
    )


def _hash(fields: Fields) -> Hash:
    kept, made = fields.inner("secretData"), fields.inner("credentialData")
    scheme, iterations = made.text("algorithm") or "", made.text("hashIterations") or ""

    def stored() -> str:
        digest, salt = from_base64(kept.text("value") or ""), from_base64(kept.text("salt") or "")
        if scheme in _PBKDF2:
            return foreign_hashes.pbkdf2(_PBKDF2[scheme], int(iterations), salt, digest)
        if scheme != "argon2":
            raise UnreadableHashError
        more = made.inner("additionalParameters")
        kind, memory, lanes = (_only(more, name) for name in ("type", "memory", "parallelism"))
        version = _ARGON2_VERSIONS[_only(more, "version")]
        parameters = f"v={version}$m={memory},t={iterations},p={lanes}"
        return f"$argon2{kind}${parameters}${_unpadded(salt)}${_unpadded(digest)}"

    return checked(stored)


def _only(fields: Fields, name: str) -> str:
    """The one value of a parameter, which Keycloak keeps in a list."""
    found = fields.texts(name)
    if (
        found is None
        or len(found) != 1
        or (found[0] not in _ARGON2_VERSIONS | {"i": 0, "d": 0, "id": 0} and (not found[0].isdecimal()))
    ):
        raise UnreadableHashError
    return found[0]


def _unpadded(content: bytes) -> str:
    return base64.b64encode(content).decode().rstrip("=")


def _totp(fields: Fields) -> tuple[Totp, ...]:
    kept, made = fields.inner("secretData"), fields.inner("credentialData")
    if made.text("subType") == "hotp":
        raise RefusedError("invalid_totp", "credentials")
    secret = kept.text("value") or ""
    if made.text("secretEncoding") != "BASE32":  # then it is the bytes of the key
        secret = base64.b32encode(secret.encode()).decode()
    return totp(
        secret,
        algorithm=_TOTP.get(made.text("algorithm") or "HmacSHA1", ""),
        digits=_number(made, "digits", 6),
        period=_number(made, "period", 30),
    )


def _number(fields: Fields, name: str, otherwise: int) -> int:
    found = fields.content.get(name, otherwise)
    if not isinstance(found, int):
        raise RefusedError("invalid_totp", "credentials")
    return found
