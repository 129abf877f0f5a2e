"""What is mailed to prove an address: a token for the link and a short code to type, both computed, never stored.

Each is a MAC over its purpose, its owner (a user or a mail request) and the identifier of the code. So nobody can make
one from the store without SECRET_KEY, and neither is accepted for another purpose or another owner (ASVS 6.6.2).
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from app.security.canonical import decoded

if TYPE_CHECKING:
    from app.security.secret_keys import RootKey, SecretKeys

Purpose = Literal["verify", "change", "register", "reset", "undo", "invitation", "rescue", "factor_recovery", "login"]

_TOKEN_LABEL = "latchkey mailed token"  # noqa: S105 - the label of a derived key
_CODE_LABEL = "latchkey mailed code"
_VERSION = 1
_FIELDS = struct.Struct(">H16s16s")
_GENERATION = struct.Struct(">I")
_MAC_BYTES = 32
"""Version, owner, code and MAC make 66 bytes, which base64 encodes in one way only."""
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that looks like another one or like a digit."""
_CODE_LENGTH = 8
_AS_READ = str.maketrans({"O": "0", "I": "1", "L": "1"})


@dataclass(frozen=True, slots=True)
class MailedToken:
    """The content of a token. `is_genuine` checks that it was made here; its owner's record shows if it is live."""

    owner_id: str
    code_id: str
    mac: bytes = field(repr=False)


def make_token(root: RootKey, purpose: Purpose, owner_id: str, code_id: str) -> str:
    """The token for a link: 88 characters of base64url. Both identifiers are UUIDs."""
    fields = _fields(owner_id, code_id)
    return urlsafe_b64encode(fields + _mac(root, _TOKEN_LABEL, purpose, fields)).decode()


def parse_token(token: str) -> MailedToken | None:
    """The content of a token; None for a text that cannot be one, so that it costs no read of the store."""
    content = decoded(token, _FIELDS.size + _MAC_BYTES)
    if content is None:
        return None
    version, owner, code = _FIELDS.unpack_from(content)
    if version != _VERSION:
        return None
    return MailedToken(str(UUID(bytes=owner)), str(UUID(bytes=code)), content[_FIELDS.size :])


def is_genuine(token: MailedToken, purpose: Purpose, roots: SecretKeys) -> bool:
    """Whether a token was made here for this purpose; in constant time for each secret."""
    fields = _fields(token.owner_id, token.code_id)
    return any(hmac.compare_digest(token.mac, _mac(root, _TOKEN_LABEL, purpose, fields)) for root in roots)


def make_code(root: RootKey, purpose: Purpose, owner_id: str, code_id: str, *, generation: int = 0) -> str:
    """The code to type: 8 characters of Crockford's base 32 (40 bits), as XXXX-XXXX.

    Another `generation` gives another code, which replaces one after too many wrong guesses.
    """
    code = _code(root, purpose, _fields(owner_id, code_id), generation)
    return f"{code[:4]}-{code[4:]}"


def is_code(
    text: str, purpose: Purpose, owner_id: str, code_id: str, roots: SecretKeys, *, generation: int = 0
) -> bool:
    """Whether this is the code of this generation, in either case, with or without the dash.

    In constant time for each secret.
    """
    typed = "".join(text.split()).replace("-", "").upper().translate(_AS_READ)
    if len(typed) != _CODE_LENGTH or not typed.isascii():
        return False
    fields = _fields(owner_id, code_id)
    return any(hmac.compare_digest(typed, _code(root, purpose, fields, generation)) for root in roots)


def _fields(owner_id: str, code_id: str) -> bytes:
    return _FIELDS.pack(_VERSION, UUID(owner_id).bytes, UUID(code_id).bytes)


def _mac(root: RootKey, label: str, purpose: Purpose, fields: bytes) -> bytes:
    return hmac.new(root.derive(label), fields + purpose.encode(), sha256).digest()


def _code(root: RootKey, purpose: Purpose, fields: bytes, generation: int) -> str:
    # Generation 0 adds nothing, so that codes made before there were generations stay valid.
    fields = _GENERATION.pack(generation) + fields if generation else fields
    number = int.from_bytes(_mac(root, _CODE_LABEL, purpose, fields)[:5], "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(35, -1, -5))
