"""The built-in roles."""

from __future__ import annotations

from typing import Final

ADMINISTRATOR: Final = "admin"
"""The role that permits everything; once a user has it, there is always a user who has it."""
MEMBER: Final = "member"
"""The role that permits nothing but what every user may do."""
BUILT_IN: Final = frozenset({ADMINISTRATOR, MEMBER})
"""Every role there is."""
