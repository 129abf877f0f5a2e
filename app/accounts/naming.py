"""Finds the user whom an operator names: by identifier, e-mail address or user name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.platform.errors import NotFound
from app.platform.identifiers import email_key, is_identifier, username_key

if TYPE_CHECKING:
    from app.accounts.model import User, Users


def named(users: Users, text: str) -> User:
    """The user of this identifier, address or user name, a person or a service account; raises NotFound."""
    found: User | None = None
    if is_identifier(text):
        account = users.account(text)
        found = account.user if account else None
    elif "@" in text:
        key = email_key(text)
        credentials = users.credentials_by_email(key) if key else None
        found = credentials.user if credentials else None
    else:
        key = username_key(text)
        credentials = users.credentials_by_username(key) if key else None
        found = credentials.user if credentials else None
    if found is None or found.status == "deleted":
        raise NotFound("There is no such user.")
    return found
