"""The accounts that the attack makes for itself, and deletes at the end."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

_PREFIX = "attack-"


@dataclass
class Account:
    """A user of the deployment. Without a token it was registered, but may not log in before its address is proven."""

    username: str
    password: str = field(repr=False)
    email: str = ""
    token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_in: float = 0.0
    exists: bool = False
    """Whether it is an account already, not a registration that waits until its address is proven."""

    def signed_in(self, data: dict[str, Any]) -> None:
        """Take over the tokens of a login."""
        self.token = str(data.get("access_token", ""))
        self.refresh_token = str(data.get("refresh_token", ""))
        self.expires_in = float(data.get("expires_in", 0))

    @property
    def names(self) -> dict[str, str]:
        """What a registration sends."""
        return {name: value for name, value in (("username", self.username), ("email", self.email)) if value}

    @property
    def login(self) -> dict[str, str]:
        """What a login sends, without the password."""
        return {"email": self.email} if "@" in self.email else {"username": self.username}


def invented(domain: str) -> Account:
    """An account that nobody has yet, with an address in `domain`."""
    name = f"{_PREFIX}{secrets.token_hex(8)}"
    return Account(name, secrets.token_urlsafe(18), f"{name}@{domain}")
