"""How much is erased at once."""

from __future__ import annotations

AT_ONCE = 500
"""Rows a statement deletes or changes, so that none takes longer than a store has to answer."""
