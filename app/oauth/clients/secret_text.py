"""The form of what clients get once and show later: a prefix, by which scanners know it, and 256 random bits."""

from __future__ import annotations

import secrets
import string
from typing import Final

CLIENT: Final = "lkcs_"
"""Begins a client's secret."""
REGISTRATION: Final = "lkrt_"
"""Begins an initial access token."""
_ALPHABET: Final = string.digits + string.ascii_letters
_CHARACTERS: Final = 43


def new_text(prefix: str) -> str:
    """Another of this kind: the prefix, and 43 characters of 62 each."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_CHARACTERS))
