"""Digests as the specifications of tokens write them: in base64url without padding (RFC 4648 section 5)."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode


def s256(text: str) -> str:
    """SHA-256: the challenge of a code verifier (RFC 7636 section 4.2), the thumbprint of a key (RFC 7638), and what a
    proof says of an access token (`ath`, RFC 9449 section 4.2). Any text has one, since anything may be sent."""
    return _base64url(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def half_hash(token: str, algorithm: str) -> str:
    """The left half of the hash that belongs to the algorithm of an ID token (`at_hash`, OpenID Connect Core section
    3.1.3.6). Ed25519 hashes by SHA-512."""
    size = "512" if algorithm == "EdDSA" else algorithm[-3:]
    digest = hashlib.new(f"sha{size}", token.encode()).digest()
    return _base64url(digest[: len(digest) // 2])


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
