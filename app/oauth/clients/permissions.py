"""The permissions for clients, and for what they may ask for."""

from __future__ import annotations

from typing import Final

READ: Final = "clients:read"
WRITE: Final = "clients:write"
TRUST: Final = "clients:trust"
"""For clients of the first party, and those that exchange tokens, beside WRITE: no user is asked what they may have.
The tokens of the first party do what their users may, an administrator's too.

So whoever may only write clients must not reach that."""
