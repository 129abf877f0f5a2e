"""Django: what `manage.py dumpdata auth.user` writes, or that of another model of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.transfer.formats.fields import Fields
from app.transfer.formats.hashes import hash_of, weak_hash_of
from app.transfer.incoming import Incoming, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping


def incoming(content: dict[str, Any], _: Mapping[str, Any]) -> Incoming:
    """An object of the dump. Raises RefusedError."""
    record = Fields(content)
    fields = record.inner("fields")
    if "password" not in fields.content:
        raise RefusedError("not_an_object", "fields")
    stored = fields.text("password")
    known = hash_of(stored)
    return Incoming(
        id=record.text("pk"),
        email=fields.text("email"),
        email_verified=bool(fields.flag("email_verified", "is_verified")),
        username=fields.text("username"),
        name=fields.full_name("name", "full_name"),
        status="disabled" if fields.flag("is_active") is False else "active",
        created_at=fields.moment("date_joined", "created_at"),
        last_login_at=fields.moment("last_login"),
        hash=weak_hash_of(stored) if stored and isinstance(known, RefusedError) else known,
    )
