"""Device tokens: what a login gives to a device, so that the next login from there is known.

A token is opaque and computed, never stored: its random identifier, its time of issue, and a MAC over both, the user
and the user's epoch. So it is good for one account only, and whatever ends all sessions of the account ends its device
tokens, too: a change or reset of the password, a change of the second factors, a logout of the others or of all, an
undo, disabling, deletion. It is no credential: it opens nothing. It decides in which budget a wrong password counts
(`app.throttle.service`), and, if its user said so when they proved a second factor, stands for that factor at the next
logins of this device.

That trust is in the token, under the MAC: since when, and for how many days. A token that a login gives in the place of
another has the same trust, so nobody renews it without the factor. A lower FACTOR_TRUST_DAYS shortens it at once. A
token with trust is longer, so a version that knows none takes the device for an unknown one.
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
    from datetime import datetime

    from app.platform.clock import Clock
    from app.security.secret_keys import RootKey, SecretKeys

LIVES: Final = timedelta(days=180)
"""How long after its issue a token is known. Each login issues a new one."""
_LABEL: Final = "latchkey device token"
_VERSION: Final = 1
_TRUSTED: Final = 2
"""The version of a token with trust."""
_FIELDS: Final = struct.Struct(">HI16s")
_TRUST: Final = struct.Struct(">IH")
"""Seconds since 1970, and days."""
_OWNER: Final = struct.Struct(">16sQ")
_MAC_BYTES: Final = 32
"""Version, time of issue, identifier and MAC make 54 bytes, with trust 60: base64 encodes either in one way only."""
_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Trust:
    """That a device stands for the second factor: since `at` (seconds since 1970), for so many `days`."""

    at: int
    days: int


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device that logged in before; `trust` is None if it does not stand for the second factor, or not any more."""

    id: str
    trust: Trust | None = None


@dataclass(frozen=True, slots=True)
class DeviceTokens:
    """Makes and reads device tokens; a device is trusted for `trust_days` at the most, 0 is never."""

    secrets: SecretKeys
    clock: Clock
    trust_days: int = 0

    def make(self, user_id: str, auth_epoch: int, device_id: str | None = None, trust: Trust | None = None) -> str:
        """A token for a device of this user: 72 characters of base64url, or 80 with trust.

        `device_id` is that of the token that the device had, if it was known; None makes a new, random one.
        """
        device = UUID(device_id) if device_id else uuid4()
        version, more = (_VERSION, b"") if trust is None else (_TRUSTED, _TRUST.pack(trust.at, trust.days))
        fields = _FIELDS.pack(version, int(self.clock().timestamp()), device.bytes) + more
        mac = _mac(self.secrets.current, fields, _OWNER.pack(UUID(user_id).bytes, auth_epoch))
        return urlsafe_b64encode(fields + mac).decode()

    def device_of(self, token: str, user_id: str | None, auth_epoch: int) -> str | None:
        """The identifier of the device that a token makes known to this user.

        None for what `known` does not know.
        """
        found = self.known(token, user_id, auth_epoch)
        return None if found is None else found.id

    def known(self, token: str, user_id: str | None, auth_epoch: int) -> KnownDevice | None:
        """The device that a token makes known to this user.

        None for a token that is malformed, forged, too old, of another user or of a former epoch; and always if
        `user_id` is None, after the same work: it must not show whether there is an account.
        """
        plain = _FIELDS.size + _MAC_BYTES
        content = decoded(token, plain) or decoded(token, plain + _TRUST.size)
        if content is None:
            return None
        version, issued, device = _FIELDS.unpack_from(content)
        fields, mac = content[:-_MAC_BYTES], content[-_MAC_BYTES:]
        form = _VERSION if len(content) == plain else _TRUSTED
        owner = _OWNER.pack((UUID(user_id) if user_id else _NOBODY).bytes, auth_epoch)
        genuine = [hmac.compare_digest(mac, _mac(root, fields, owner)) for root in self.secrets]
        too_old = self.clock().timestamp() - issued >= LIVES.total_seconds()
        if version != form or user_id is None or too_old or not any(genuine):
            return None
        trust = Trust(*_TRUST.unpack_from(content, _FIELDS.size)) if form == _TRUSTED else None
        return KnownDevice(str(UUID(bytes=device)), trust if self._lasts(trust) else None)

    def trust_since(self, at: datetime) -> Trust:
        """The trust in a device whose user has just proved a second factor there."""
        return Trust(int(at.timestamp()), self.trust_days)

    def _lasts(self, trust: Trust | None) -> bool:
        if trust is None:
            return False
        lives = timedelta(days=min(trust.days, self.trust_days)).total_seconds()
        return self.clock().timestamp() - trust.at < lives


def _mac(root: RootKey, fields: bytes, owner: bytes) -> bytes:
    return hmac.new(root.derive(_LABEL), fields + owner, sha256).digest()
