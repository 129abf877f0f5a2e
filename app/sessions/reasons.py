"""The reasons of accounts to refuse a login whose first factor was right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.platform.errors import AccountDisabled, EmailNotVerified
from app.sessions.proof import Refusal

if TYPE_CHECKING:
    from app.sessions.proof import Proof


class NotActive:
    """The account is disabled, or its invitation not answered."""

    def unmet(self, proof: Proof) -> Refusal | None:
        """A refusal unless the user is active."""
        status = proof.credentials.user.status
        return None if status == "active" else Refusal(AccountDisabled(), status)


@dataclass(frozen=True, slots=True)
class UnverifiedEmail:
    """The address has to be verified first: the setting REQUIRE_VERIFIED_EMAIL."""

    required: bool

    def unmet(self, proof: Proof) -> Refusal | None:
        """A refusal for an address that is not verified. Users without an address are never blocked."""
        user = proof.credentials.user
        if self.required and user.email is not None and not user.email_verified:
            return Refusal(EmailNotVerified(), "unverified")
        return None
