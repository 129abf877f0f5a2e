"""What a client may know of a user, by the scopes that it was granted (OpenID Connect Core section 5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.accounts.model import User

CLAIMS: Final = ("sub", "name", "preferred_username", "email", "email_verified")
"""All of them."""


def claims_of(user: User, scopes: Collection[str]) -> dict[str, Any]:
    """`sub`, and the claims of `profile` and `email` as far as the user has them."""
    known: dict[str, Any] = {"sub": user.id}
    if "profile" in scopes:
        known |= {"name": user.name, "preferred_username": user.username}
    if "email" in scopes and user.email is not None:
        known |= {"email": user.email, "email_verified": user.email_verified}
    return {name: value for name, value in known.items() if value is not None}
