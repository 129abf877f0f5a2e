"""Reads base64url in its canonical form only: no token can be written in a second way (RFC 4648 section 3.5)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode


def decoded(text: str, size: int) -> bytes | None:
    """The `size` bytes (a multiple of 3, which needs no padding) that a text stands for; None for any other text."""
    if len(text) != size * 4 // 3 or not text.isascii():
        return None
    try:
        content = urlsafe_b64decode(text)
    except ValueError:
        return None
    return content if urlsafe_b64encode(content).decode() == text else None
