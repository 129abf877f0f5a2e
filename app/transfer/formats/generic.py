"""JSON lines and CSV with the names of fields that most systems use; and exports of this service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.accounts.imported import Imported
from app.security.foreign_hashes import prehashed
from app.transfer.formats.fields import Fields, identity, totp
from app.transfer.formats.hashes import hash_of, weak_hash_of
from app.transfer.incoming import FastDigest, Incoming, RefusedError, Totp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.accounts.model import Status

NATIVE: Final = "latchkey"
"""The field that an export of this service has, with the version of its form."""
NATIVE_FIELDS: Final = frozenset(
    {
        NATIVE, "id", "email", "email_verified", "username", "name", "roles", "status", "created_at", "last_login_at",
        "password_hash", "imported", "totp",
    }
)  # fmt: skip
_STATUSES: Final[Mapping[str, Status]] = {"active": "active", "disabled": "disabled", "invited": "invited"}
_HASHES: Final = (
    "password_hash", "passwordHash", "hashed_password", "encrypted_password", "password_digest", "pw_hash", "hash",
    "password",
)  # fmt: skip

_VERIFIED: Final = (
    "email_verified", "emailVerified", "is_verified", "isVerified", "verified", "is_email_verified", "confirmed",
    "confirmed_at", "email_confirmed_at", "email_verified_at",
)  # fmt: skip
_CREATED: Final = (
    "created_at", "createdAt", "created", "date_joined", "registered_at", "create_datetime", "creation_date",
)  # fmt: skip


def incoming(content: dict[str, Any], _: Mapping[str, Any]) -> Incoming:
    """A user by the names of fields that most systems use, or as this service exports one."""
    return _native(Fields(content)) if NATIVE in content else _user(Fields(content))


def of_flask_security(content: dict[str, Any], hash_config: Mapping[str, Any]) -> Incoming:
    """A row of Flask-Security's table of users.

    It hashes an HMAC of the password under SECURITY_PASSWORD_SALT, which `hash_config` gives as `password_salt`.
    """
    fields = Fields(content)
    salt = hash_config.get("password_salt")
    if salt is not None and not isinstance(salt, str):
        raise RefusedError("invalid_hash_config")
    stored = fields.text("password", "password_hash")
    around = (lambda inner: prehashed(salt.encode(), inner)) if salt else None
    known = Fields({name: each for name, each in content.items() if name not in _HASHES})
    return _user(known, hash_of(stored, around), _totp_of_passlib(fields))


def _user(
    fields: Fields, hash_: str | FastDigest | RefusedError | None = None, totps: tuple[Totp, ...] | None = None
) -> Incoming:
    inactive = fields.flag("disabled", "is_disabled", "blocked", "banned", "suspended")
    active = fields.flag("active", "is_active", "isActive", "enabled")
    status = fields.text("status")
    is_out = inactive or active is False or status in {"disabled", "inactive", "blocked", "banned", "suspended"}
    text = fields.text(*_HASHES)
    known = hash_of(text)
    return Incoming(
        id=fields.text("id", "_id", "user_id", "uid", "uuid", "pk", "external_id"),
        email=fields.text("email", "email_address", "emailAddress", "mail"),
        email_verified=bool(fields.flag(*_VERIFIED)),
        username=fields.text("username", "user_name", "userName", "login"),
        name=fields.full_name("name", "full_name", "fullName", "display_name", "displayName"),
        roles=fields.texts("roles", "role"),
        status="disabled" if is_out else "active",
        created_at=fields.moment(*_CREATED),
        last_login_at=fields.moment(
            "last_login_at", "lastLoginAt", "last_login", "last_sign_in_at", "current_login_at"
        ),
        hash=weak_hash_of(text) if text and _is_unsupported(known) else known or hash_,
        identities=tuple(
            identity(each.text("provider", "issuer"), each.text("subject", "id", "sub", "provider_id", "uid"))
            for each in fields.inners("identities", "linked_accounts", "oauth_accounts")
        ),
        totp=totp(fields.text("totp_secret", "totpSecret", "otp_secret", "mfa_secret")) if totps is None else totps,
    )


def _is_unsupported(found: str | FastDigest | RefusedError | None) -> bool:
    return isinstance(found, RefusedError) and found.reason == "unsupported_hash"


def _totp_of_passlib(fields: Fields) -> tuple[Totp, ...]:
    """Flask-Security keeps passlib's JSON, or a bare secret; an encrypted one cannot be read."""
    text = fields.text("tf_totp_secret")
    if text is None or not text.startswith("{"):
        return totp(text)
    kept = fields.inner("tf_totp_secret")
    if (secret := kept.text("key")) is None:
        raise RefusedError("invalid_totp", "tf_totp_secret")
    return totp(secret)


def _native(fields: Fields) -> Incoming:
    if unknown := fields.content.keys() - NATIVE_FIELDS:
        raise RefusedError("unknown_field", min(unknown))
    status = _STATUSES.get(fields.text("status") or "active")
    if status is None:
        raise RefusedError("invalid_type", "status")
    return Incoming(
        id=fields.text("id"),
        email=fields.text("email"),
        email_verified=fields.flag("email_verified") or False,
        username=fields.text("username"),
        name=fields.text("name"),
        roles=fields.texts("roles") or (),
        status=status,
        created_at=fields.moment("created_at"),
        last_login_at=fields.moment("last_login_at"),
        hash=hash_of(fields.text("password_hash")),
        totp=tuple(_totp(each) for each in fields.inners("totp")),
        native=True,
        imported=_imported(fields.inner("imported")),
    )


def _imported(fields: Fields) -> Imported | None:
    external, source = fields.text("id"), fields.text("source")
    if external is None or source is None:
        return None
    linked = tuple(identity(each.text("provider"), each.text("subject")) for each in fields.inners("identities"))
    return Imported(external, source, linked)


def _totp(fields: Fields) -> Totp:
    digits, period = fields.content.get("digits", 6), fields.content.get("period", 30)
    if not isinstance(digits, int) or not isinstance(period, int):
        raise RefusedError("invalid_totp", "totp")
    return Totp(fields.text("secret") or "", fields.text("algorithm") or "SHA1", digits, period)
