"""The signing keys, as far as an administrator sees and rotates them. The rest is for operators: `flask keys`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.platform.errors import Unavailable
from app.roles.authority import require_permission
from app.security.secret_keys import SealedError

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.audit.service import Audit
    from app.keys.keyring import StoredKey
    from app.keys.service import KeyService
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.roles.authority import Authority

WRITE_KEYS = "keys:write"


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A stored key, and whether it will sign, signs, or only verifies what it signed."""

    stored: StoredKey
    state: Literal["waiting", "signing", "verifying"]

    @property
    def age(self) -> str:
        """What keys are listed by: the oldest first, and of those made at once the one that signs first."""
        created_at, signs_from = (
            at.isoformat(timespec="microseconds") for at in (self.stored.created_at, self.stored.signs_from)
        )
        return f"{created_at} {signs_from} {self.stored.kid}"


@dataclass(frozen=True, slots=True)
class KeyAdministration:
    """Lists and rotates the signing keys."""

    keys: KeyService
    authority: Authority
    audit: Audit
    clock: Clock

    def listed(self) -> list[ListedKey]:
        """All keys, the oldest first."""
        stored, now = self.keys.stored(), self.clock()
        signs = self.keys.that_signs() if stored else None
        listed = [ListedKey(key, _state(key, signs, waits=key.signs_from > now)) for key in stored]
        return sorted(listed, key=lambda key: key.age)

    def rotate(self, by: Principal, device: Device) -> ListedKey:
        """Add a key, which signs after an hour; returns it, or the one that waits to sign already.

        Raises Unavailable if a stored key cannot be opened, since its secret is missing.
        """
        require_permission(self.authority.held_by(by), WRITE_KEYS)  # right before the write
        known = {key.kid for key in self.keys.stored()}
        try:
            key = self.keys.rotate(once=True)
        except SealedError as error:
            raise Unavailable("A signing key cannot be opened: the operator has to see flask doctor.") from error
        if key.kid not in known:
            self.audit.record(by.user.id, "keys.rotated", device, actor_id=by.actor_on(by.user.id), kid=key.kid)
        return ListedKey(key, "waiting")


def _state(key: StoredKey, signs: StoredKey | None, *, waits: bool) -> Literal["waiting", "signing", "verifying"]:
    if signs is not None and key.kid == signs.kid:
        return "signing"
    return "waiting" if waits else "verifying"
