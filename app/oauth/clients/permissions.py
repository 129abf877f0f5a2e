"""The permissions for clients, and for what they may ask for."""

from __future__ import annotations

from typing import Final

READ: Final = "clients:read"
WRITE: Final = "clients:write"
TRUST: Final = "clients:trust"
"""For clients of the first party, beside WRITE: their tokens do what their users may, an administrator's too.

So whoever may only write clients must not reach that."""
