"""Device tokens: what a login gives to a device, so that the next login from there is known.

A token is opaque and computed, never stored: its random identifier, its time of issue, and a MAC over both, the user
and the user's epoch. So it is good for one account only, and whatever ends all sessions of the account ends its device
tokens, too: a change or reset of the password, a logout of the others or of all, an undo, disabling, deletion. It is no
credential: it opens nothing, and only decides in which budget a wrong password counts (`app.throttle.service`).
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from app.security.canonical import decoded

if TYPE_CHECKING:
    from app.platform.clock import Clock
    from app.security.secret_keys import RootKey, SecretKeys

LIVES: Final = timedelta(days=180)
"""How long after its issue a token is known. Each login issues a new one."""
_LABEL: Final = "latchkey device token"
_VERSION: Final = 1
_FIELDS: Final = struct.Struct(">HI16s")
_OWNER: Final = struct.Struct(">16sQ")
_MAC_BYTES: Final = 32
"""Version, time of issue, identifier and MAC make 54 bytes, which base64 encodes in one way only."""
_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class DeviceTokens:
    """Makes and reads device tokens."""

    secrets: SecretKeys
    clock: Clock

    def make(self, user_id: str, auth_epoch: int, device_id: str | None = None) -> str:
        """A token for a device of this user: 72 characters of base64url.

        `device_id` is that of the token that the device had, if it was known; None makes a new, random one.
        """
        device = UUID(device_id) if device_id else uuid4()
        fields = _FIELDS.pack(_VERSION, int(self.clock().timestamp()), device.bytes)
        mac = _mac(self.secrets.current, fields, _OWNER.pack(UUID(user_id).bytes, auth_epoch))
        return urlsafe_b64encode(fields + mac).decode()

    def device_of(self, token: str, user_id: str | None, auth_epoch: int) -> str | None:
        """The identifier of the device that a token makes known to this user.

        None for a token that is malformed, forged, too old, of another user or of a former epoch; and always if
        `user_id` is None, after the same work: it must not show whether there is an account.
        """
        content = decoded(token, _FIELDS.size + _MAC_BYTES)
        if content is None:
            return None
        version, issued, device = _FIELDS.unpack_from(content)
        fields, mac = content[: _FIELDS.size], content[_FIELDS.size :]
        owner = _OWNER.pack((UUID(user_id) if user_id else _NOBODY).bytes, auth_epoch)
        genuine = [hmac.compare_digest(mac, _mac(root, fields, owner)) for root in self.secrets]
        too_old = self.clock().timestamp() - issued >= LIVES.total_seconds()
        if version != _VERSION or user_id is None or too_old or not any(genuine):
            return None
        return str(UUID(bytes=device))


def _mac(root: RootKey, fields: bytes, owner: bytes) -> bytes:
    return hmac.new(root.derive(_LABEL), fields + owner, sha256).digest()
