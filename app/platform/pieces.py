"""How much is erased or exported at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT_ONCE = 500
"""Rows a statement deletes or changes, so that none takes longer than a store has to answer."""
EXPORTED_AT_ONCE = 200
"""Things that an export reads and holds in memory at once."""


def in_pieces(erase_some: Callable[[int], int]) -> Iterator[None]:
    """Erase all there is, a piece at each step: `erase_some` gets how many at the most, and returns how many it did."""
    while erase_some(AT_ONCE) == AT_ONCE:
        yield
    yield
