"""Products: everyone sees them, and each belongs to the user who created it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.platform import pieces
from app.platform.errors import NotFound, SessionEnded
from app.platform.identifiers import new_id
from app.samples.products.model import SampleProduct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.platform.clock import Clock
    from app.samples.products.model import SampleProducts


@dataclass(frozen=True, slots=True)
class NewProduct:
    """The user's description of a product, validated by `inputs`."""

    name: str
    price: Decimal
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ProductPage:
    """Some products, oldest first; the next page starts after the identifier `next`, None at the end."""

    products: Sequence[SampleProduct]
    next: str | None


@dataclass(frozen=True, slots=True)
class SampleProductService:
    """Lists, creates and deletes products."""

    products: SampleProducts
    accounts: Accounts
    clock: Clock

    def list_all(self, *, after: str | None, limit: int) -> ProductPage:
        """Up to `limit` products of all users after `after`."""
        # One more than asked for tells whether there is a next page.
        return _page(self.products.page(after=after, limit=limit + 1), limit)

    def list_of(self, owner_id: str, *, after: str | None, limit: int) -> ProductPage:
        """The same for the products of one user."""
        return _page(self.products.page_of(owner_id, after=after, limit=limit + 1), limit)

    def create(self, owner: Principal, new: NewProduct) -> SampleProduct:
        """Store a new product; raises SessionEnded if what the caller came in by ended meanwhile."""
        product = SampleProduct(new_id(), owner.user.id, new.name, new.price, new.description, self.clock())
        session_id = owner.session_id if owner.kind == "session" else None
        if session_id is None:
            self.accounts.require_live(owner)  # which for a session is done by `add`
        if not self.products.add(product, session_id):
            raise SessionEnded
        return product

    def erase(self, owner_id: str) -> Iterator[None]:
        """Delete all products of a user who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.products.remove_some_of(owner_id, limit))

    def delete(self, product_id: str, owner_id: str) -> None:
        """Delete one of the user's own products; raises NotFound if it does not exist or belongs to another user."""
        if not self.products.remove(product_id, owner_id):
            raise NotFound


def _page(found: Sequence[SampleProduct], limit: int) -> ProductPage:
    page = found[:limit]
    return ProductPage(page, page[-1].id if len(found) > limit else None)
