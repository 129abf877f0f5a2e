"""Firebase: what `firebase auth:export` writes as JSON, with the hash parameters of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.transfer.formats.fields import Fields, identity
from app.transfer.formats.hashes import checked
from app.transfer.incoming import Incoming, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.transfer.formats.hashes import Hash

_TO_STANDARD: Final = str.maketrans("-_", "+/")


def incoming(content: dict[str, Any], hash_config: Mapping[str, Any]) -> Incoming:
    """A user of `auth:export`. Raises RefusedError."""
    fields = Fields(content)
    return Incoming(
        id=fields.text("localId", "uid"),
        email=fields.text("email"),
        email_verified=bool(fields.flag("emailVerified")),
        name=fields.text("displayName"),
        status="disabled" if fields.flag("disabled") else "active",
        created_at=fields.moment("createdAt"),
        last_login_at=fields.moment("lastSignedInAt", "lastLoginAt"),
        hash=_hash(fields, Fields(hash_config)),
        identities=tuple(
            identity(each.text("providerId"), each.text("rawId", "uid"))
            for each in fields.inners("providerUserInfo")
            if each.text("providerId") not in {"password", "phone"}
        ),
    )


def _hash(fields: Fields, config: Fields) -> Hash:
    digest, salt = fields.text("passwordHash"), fields.text("salt")
    if digest is None:
        return None
    signer = config.text("base64_signer_key", "signerKey")
    if signer is None or (config.text("algorithm") or "SCRYPT") != "SCRYPT":
        raise RefusedError("invalid_hash_config")
    n, r = config.text("mem_cost", "memCost") or "14", config.text("rounds") or "8"
    separator = config.text("base64_salt_separator", "saltSeparator") or ""
    parameters = f"v=1,n={n},r={r},p=1,ss={separator},sk={signer}".translate(_TO_STANDARD)
    return checked(lambda: f"$fbscrypt${parameters}${salt}${digest}".translate(_TO_STANDARD))
