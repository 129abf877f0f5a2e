"""The credentials of passkeys, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Passkey:
    """What verifies a passkey, and when it was last used; its name is in the account, which lists it.

    `credential_id` is in base64url, and `credential_digest` its SHA-256 in hexadecimal digits, which no two passkeys
    share. `public_key` is a COSE key (RFC 9052) in base64url. `rp_id` is the PASSKEY_RP_ID that it was made for.
    """

    id: str
    user_id: str
    credential_id: str
    credential_digest: str
    public_key: str = field(repr=False)
    rp_id: str
    aaguid: str
    transports: tuple[str, ...]
    backup_eligible: bool
    """Whether it can be synced to other devices; fixed when it is made (WebAuthn Level 3 section 6.1.3)."""
    backed_up: bool
    sign_count: int
    """The count of its last use; 0 for one that does not count, as those that are synced."""
    created_at: datetime
    last_used_at: datetime | None = None


class Passkeys(Protocol):
    """The operations of a store on passkeys. Each raises `Unavailable` when the store does not answer."""

    def add(self, passkey: Passkey) -> bool:
        """Store a new one. False if there is one of this credential already, whose ever it is; or, in SQL, if the user
        is gone. Of concurrent callers with one credential one succeeds."""

    def find(self, credential_digest: str) -> Passkey | None:
        """The one of this credential."""

    def of_user(self, user_id: str) -> list[Passkey]:
        """Those of a user, the oldest first."""

    def record_use(self, passkey_id: str, sign_count: int, *, backed_up: bool, now: datetime) -> bool:
        """Set `sign_count`, if it is higher than before or both are 0, `backed_up` and `last_used_at`.

        False if it is not, or if there is no such passkey. One atomic conditional write: of concurrent callers with one
        count, which is not 0, one succeeds.
        """

    def rp_ids(self) -> dict[str, int]:
        """How many were made for each RP id."""

    def remove(self, passkey_id: str) -> None:
        """Delete one, if it is there."""

    def remove_some_of(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` of a user; returns how many."""
