"""The name used to log in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.platform.identifiers import email_key, username_key


@dataclass(frozen=True, slots=True)
class LoginName:
    """The name used to log in: an e-mail address or a user name, as submitted."""

    kind: Literal["email", "username"]
    text: str

    @classmethod
    def of(cls, text: str) -> LoginName:
        """The name in a field that takes either."""
        return cls("email" if "@" in text else "username", text)

    @property
    def key(self) -> str | None:
        """The key for looking it up; None if no account can have it."""
        return email_key(self.text) if self.kind == "email" else username_key(self.text)

    @property
    def counted_as(self) -> str:
        """The name under which its failures are counted, whether an account has it or not."""
        return f"{self.kind}:{self.key or self.text.strip().lower()}"
