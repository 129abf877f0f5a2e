"""The row of an identity, which is stored before the account that lists it, and deleted after it drops it.

So a crash in between leaves a row that leads nowhere, and of all that claim one identity at once exactly one gets it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.accounts.under_way import ListedIdentity
from app.platform.errors import Unavailable
from app.platform.identifiers import new_id
from app.social.identities.model import Identity, digest_of

if TYPE_CHECKING:
    from app.accounts.account import Account
    from app.platform.clock import Clock
    from app.social.identities.model import Identities
    from app.social.provider import Claims, Provider


class ChangedError(Exception):
    """What was decided on is not so any more: look again."""


@dataclass(frozen=True, slots=True)
class Linked:
    """An identity and the account that lists it."""

    account: Account
    identity: Identity


@dataclass(frozen=True, slots=True)
class IdentityRows:
    """Claims identities for users."""

    kept: Identities
    clock: Clock

    def claim(self, provider: Provider, claims: Claims, user_id: str) -> tuple[Identity, ListedIdentity]:
        """A new row for this user, and how their account is to list it. Raises ChangedError if there is a row by
        now."""
        identity = Identity(
            id=new_id(),
            digest=digest_of(claims.issuer, claims.subject),
            user_id=user_id,
            provider=provider.id,
            issuer=claims.issuer,
            subject=claims.subject,
            email=claims.usable_email,
            created_at=self.clock(),
        )
        if not self.kept.add(identity):
            raise ChangedError
        return identity, ListedIdentity(identity.id, provider.id)

    def give_up(self, identity: Identity) -> None:
        """Delete a row that no account came to list. If the store does not answer, it stays, and leads nowhere."""
        with suppress(Unavailable):
            self.kept.remove(identity.id)
