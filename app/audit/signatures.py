"""Signatures of audit events: who changes or makes one in the store, without SECRET_KEY, is found out.

What is erased with an account (address, device, details, request) is signed by its digest. A random salt goes into the
digest and is erased as well: so an erased event can still be verified, and its digest reveals nothing.
"""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import UTC
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from app.audit.model import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.security.secret_keys import RootKey, SecretKeys

Verdict: TypeAlias = Literal["signed", "unsigned", "altered", "unverified"]
"""What the signature of an event says: it is right; there is none; it is wrong; its secret is not at hand."""
_SALT_BYTES: Final = 16
_EVENT_LABEL: Final = "latchkey audit event"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs audit events with a key that is derived from SECRET_KEY, and verifies them."""

    secrets: SecretKeys

    def signed(self, event: AuditEvent) -> AuditEvent:
        """The event with salt, digest and signature. Raises Unavailable if SECRET_KEY leaked."""
        salt, root = _new_salt(), self.secrets.current
        digest = digest_of(event, salt)
        mac = mac_of(content_of(event, digest), root, _EVENT_LABEL)
        # Not by `replace`, which takes as long as all of the above: this is in each login.
        return AuditEvent(
            event.id,
            event.user_id,
            event.action,
            event.at,
            event.ip,
            event.user_agent,
            event.expires_at,
            event.details,
            event.actor_id,
            event.outcome,
            event.request_id,
            salt,
            digest,
            f"{root.name}.{mac}",
        )

    def verdict_on(self, event: AuditEvent) -> Verdict:
        """What its signature says of an event. Raises Unavailable."""
        if event.signature is None:
            return "unsigned"
        name, _, mac = event.signature.partition(".")
        root = root_of(name, self.secrets)
        if root is None:
            return "unverified"
        right = hmac.compare_digest(mac.encode(), mac_of(content_of(event, event.digest), root, _EVENT_LABEL).encode())
        return "signed" if right and (agrees(event) or is_erased(event)) else "altered"


def with_digest(event: AuditEvent) -> AuditEvent:
    """The event with a new salt, and the digest of what is erased with the account."""
    salt = _new_salt()
    return replace(event, salt=salt, digest=digest_of(event, salt))


def digest_of(event: AuditEvent, salt: str) -> str:
    """The digest of what is erased with the account."""
    return hash_of([salt, event.ip, event.user_agent, sorted(event.details.items()), event.request_id])


def agrees(event: AuditEvent) -> bool:
    """Whether what can be erased of an event is what its digest was made of."""
    return event.salt is not None and event.digest == digest_of(event, event.salt)


def is_erased(event: AuditEvent) -> bool:
    """Whether everything was erased that goes with an account. A former version leaves salt and request."""
    return event.is_bare and not agrees(event)


def content_of(event: AuditEvent, digest: str | None) -> str:
    """What stays of an event for as long as it is kept, as text: what is erased is in it by its digest only."""
    return _json(
        [
            event.id,
            event.user_id,
            event.action,
            in_text(event.at),
            in_text(event.expires_at),
            event.outcome,
            event.actor_id,
            digest,
        ]
    )


def mac_of(content: str, root: RootKey, label: str) -> str:
    """The HMAC-SHA256 of a text, with the key that is derived for this use."""
    return _in_text(hmac.digest(root.derive(label), content.encode(), "sha256"))


def hash_of(parts: list[object]) -> str:
    """The SHA-256 of a list of texts, numbers and lists."""
    return _in_text(sha256(_json(parts).encode()).digest())


def root_of(name: str, secrets: SecretKeys) -> RootKey | None:
    """The secret of this name, if it is at hand and did not leak. Raises Unavailable."""
    return next((root for root in secrets if root.name == name), None)


def in_text(at: datetime) -> str:
    """A point in time as it is signed: UTC, in whole milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _new_salt() -> str:
    return _in_text(secrets.token_bytes(_SALT_BYTES))


_json: Callable[[object], str] = json.JSONEncoder(separators=(",", ":")).encode


def _in_text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()
