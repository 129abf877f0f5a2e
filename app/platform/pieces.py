"""How much is erased or exported at once."""

from __future__ import annotations

AT_ONCE = 500
"""Rows a statement deletes or changes, so that none takes longer than a store has to answer."""
EXPORTED_AT_ONCE = 200
"""Things that an export reads and holds in memory at once."""
