"""supabase/auth: rows of `auth.users`, with those of `auth.identities` and `auth.mfa_factors` in them if they were
joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.platform.clock import now
from app.transfer.formats.fields import Fields, identity, totp
from app.transfer.formats.hashes import hash_of
from app.transfer.incoming import Incoming, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.accounts.imported import LinkedIdentity


def incoming(content: dict[str, Any], _: Mapping[str, Any]) -> Incoming:
    """A row of `auth.users`. Raises RefusedError."""
    fields = Fields(content)
    if fields.moment("deleted_at"):
        raise RefusedError("deleted")
    about = fields.inner("raw_user_meta_data", "user_metadata")
    banned_until = None if fields.text("banned_until") == "infinity" else fields.moment("banned_until")
    is_banned = fields.text("banned_until") == "infinity" or (banned_until is not None and banned_until > now())
    return Incoming(
        id=fields.text("id"),
        email=fields.text("email"),
        email_verified=fields.moment("email_confirmed_at", "confirmed_at") is not None,
        username=about.text("username", "user_name"),
        name=about.full_name("full_name", "name"),
        status="disabled" if is_banned else "active",
        created_at=fields.moment("created_at"),
        last_login_at=fields.moment("last_sign_in_at"),
        hash=hash_of(fields.text("encrypted_password")),
        identities=tuple(
            _identity(each) for each in fields.inners("identities") if each.text("provider") not in {"email", "phone"}
        ),
        totp=tuple(
            found
            for each in fields.inners("mfa_factors", "factors")
            if each.text("factor_type") == "totp" and each.text("status") == "verified"
            for found in totp(each.text("secret"))
        ),
    )


def _identity(fields: Fields) -> LinkedIdentity:
    subject = fields.inner("identity_data").text("sub") or fields.text("provider_id")
    return identity(fields.text("provider"), subject)
