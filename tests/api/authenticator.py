"""A software authenticator, with the browser in front of it: answers the options of a ceremony as WebAuthn Level 3
says, or with one thing wrong."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

ORIGIN = "http://localhost:5000"
RP_ID = "localhost"
UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
"""The flags of authenticator data: user present, user verified, backup eligible, backed up, credential attached."""


def b64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class Authenticator:
    """Keeps one passkey, in hardware unless it is `synced`; `counts` says whether it counts its uses."""

    synced: bool = False
    counts: bool = True
    algorithm: int = -7
    aaguid: str = "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    count: int = 0
    handle: str = ""

    def __post_init__(self) -> None:
        keys: dict[int, Any] = {
            -7: lambda: ec.generate_private_key(ec.SECP256R1()),
            -8: ed25519.Ed25519PrivateKey.generate,
            -257: lambda: rsa.generate_private_key(65537, 2048),
        }
        self.key: Any = keys[self.algorithm]()

    @property
    def id(self) -> str:
        return b64(self.credential_id)

    def create(self, options: dict[str, Any], **wrong: Any) -> dict[str, Any]:
        """The credential JSON for creation options; `wrong` is what to do wrong (see `_signed`)."""
        self.handle = options["user"]["id"]
        client, data = self._signed("webauthn.create", options["challenge"], attached=True, **wrong)
        attestation = {"fmt": "none", "attStmt": {}, "authData": data} | wrong.get("attestation", {})
        response = {"clientDataJSON": b64(client), "attestationObject": b64(cbor2.dumps(attestation))}
        return self._credential(response | {"transports": ["internal", "hybrid"]})

    def get(self, options: dict[str, Any], **wrong: Any) -> dict[str, Any]:
        """The credential JSON for request options; `wrong` is what to do wrong (see `_signed`)."""
        client, data = self._signed("webauthn.get", options["challenge"], **wrong)
        signature = self._sign(data + sha256(client).digest())
        response = {"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature)}
        return self._credential(response | {"userHandle": wrong.get("handle", self.handle)})

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        extra = {"authenticatorAttachment": "platform", "clientExtensionResults": {"credProps": {"rk": True}}}
        return {"id": self.id, "rawId": self.id, "type": "public-key", "response": response, **extra}

    def _signed(
        self,
        kind: str,
        asked: str,
        *,
        attached: bool = False,
        type: str | None = None,  # noqa: A002 - as WebAuthn calls it
        origin: str = ORIGIN,
        cross_origin: bool = False,
        rp_id: str = RP_ID,
        without: int = 0,
        flags: int = 0,
        count: int | None = None,
        **more: Any,
    ) -> tuple[bytes, bytes]:
        """Client data and authenticator data, with the flags `without` off and `flags` on."""
        told = {"type": type or kind, "challenge": more.get("challenge", asked), "origin": origin}
        client = json.dumps(told | {"crossOrigin": cross_origin}).encode()
        self.count += self.counts
        count = self.count if count is None else count
        kept = (UP | UV | (BE | BS if self.synced else 0) | (AT if attached else 0) | flags) & ~without
        data = sha256(rp_id.encode()).digest() + bytes([kept]) + count.to_bytes(4, "big")
        if not attached:
            return client, data
        length = len(self.credential_id).to_bytes(2, "big")
        return client, data + UUID(self.aaguid).bytes + length + self.credential_id + cbor2.dumps(self._cose())

    def _cose(self) -> dict[int, Any]:
        public = self.key.public_key()
        if self.algorithm == -8:
            return {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
        numbers = public.public_numbers()
        if self.algorithm == -257:
            return {1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: numbers.e.to_bytes(3, "big")}
        return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}

    def _sign(self, content: bytes) -> bytes:
        signatures = {
            -7: lambda: self.key.sign(content, ec.ECDSA(hashes.SHA256())),
            -8: lambda: self.key.sign(content),
            -257: lambda: self.key.sign(content, padding.PKCS1v15(), hashes.SHA256()),
        }
        signed: bytes = signatures[self.algorithm]()
        return signed
