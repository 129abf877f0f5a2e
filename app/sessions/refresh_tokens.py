"""Refresh tokens: none is stored, each is computed from the session's seed.

A token holds the session, its generation, and a MAC over both and the seed. So nobody can make one from the store
without SECRET_KEY, and the next generation's token can be computed again for a client that lost the reply.
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from app.security.canonical import decoded

if TYPE_CHECKING:
    from app.security.secret_keys import RootKey, SecretKeys

_LABEL = "latchkey refresh token"
_VERSION = 1
_VERSION_OF_CLIENTS = 2
"""Of the sessions of clients: a former version, which would give a login for them, takes none of these."""
_FIELDS = struct.Struct(">H16sI")
_MAC_BYTES = 32
"""Version, session, generation and MAC make 54 bytes, which base64 encodes in one way only."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The content of a refresh token; `is_genuine` checks it with the seed of its session."""

    session_id: str
    generation: int
    mac: bytes = field(repr=False)
    of_client: bool = False


def make(root: RootKey, session_id: str, generation: int, seed: bytes, *, of_client: bool = False) -> str:
    """The refresh token of a session (a UUID) in its `generation`: 72 characters of base64url."""
    fields = _fields(session_id, generation, of_client=of_client)
    return urlsafe_b64encode(fields + _mac(root, fields, seed)).decode()


def parse(token: str) -> RefreshToken | None:
    """The content of a token; None for a text that cannot be one, so that it costs no read of the store."""
    content = decoded(token, _FIELDS.size + _MAC_BYTES)
    if content is None:
        return None
    version, session, generation = _FIELDS.unpack_from(content)
    if version not in {_VERSION, _VERSION_OF_CLIENTS}:
        return None
    of_client = version == _VERSION_OF_CLIENTS
    return RefreshToken(str(UUID(bytes=session)), generation, content[_FIELDS.size :], of_client)


def is_genuine(token: RefreshToken, seed: bytes, roots: SecretKeys) -> bool:
    """Whether a token was made here, for a session with this seed; in constant time for each secret."""
    fields = _fields(token.session_id, token.generation, of_client=token.of_client)
    return any(hmac.compare_digest(token.mac, _mac(root, fields, seed)) for root in roots)


def _fields(session_id: str, generation: int, *, of_client: bool) -> bytes:
    version = _VERSION_OF_CLIENTS if of_client else _VERSION
    return _FIELDS.pack(version, UUID(session_id).bytes, generation)


def _mac(root: RootKey, fields: bytes, seed: bytes) -> bytes:
    return hmac.new(root.derive(_LABEL), fields + seed, sha256).digest()
