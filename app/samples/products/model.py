"""Products: a sample of the data that an application keeps for its users; each has one owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SampleProduct:
    """One product; `price` has at most two places and is at most 10^9."""

    id: str
    owner_id: str
    name: str
    price: Decimal
    description: str | None
    created_at: datetime


class SampleProducts(Protocol):
    """The operations of a store on products. Each raises `Unavailable` when the store does not answer."""

    def add(self, product: SampleProduct, session_id: str | None) -> bool:
        """Store a new product if this session of its owner is live (see `Sessions.principal`); whether it was stored.

        Without one, as an API key and an impersonation are, the owner has to be active. When this returns True, the
        session had not ended by the time the product was stored. If the owner is deleted at the same time, nothing of
        them remains: either the deletion finds the product, or this finds the session ended, or the owner gone.
        """

    def page(self, *, after: str | None, limit: int) -> list[SampleProduct]:
        """Up to `limit` products of all owners after `after`, in the order of their identifiers."""

    def page_of(self, owner_id: str, *, after: str | None, limit: int) -> list[SampleProduct]:
        """The same for the products of one owner."""

    def remove(self, product_id: str, owner_id: str) -> bool:
        """Delete a product of this owner; returns whether there was one."""

    def remove_some_of(self, owner_id: str, limit: int) -> int:
        """Delete up to `limit` products of an owner; returns how many."""
