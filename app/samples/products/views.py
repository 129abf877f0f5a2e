"""Products as JSON."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PlainSerializer, WithJsonSchema

from app.web.cursors import cursor_behind
from app.web.view import View

if TYPE_CHECKING:
    from app.samples.products.model import SampleProduct
    from app.samples.products.service import ProductPage


def _number(price: Decimal) -> int | float:
    """The number that JSON shows exactly: a float of at most 15 digits is written with the digits it was made from."""
    return int(price) if price == price.to_integral_value() else float(price)


PriceNumber = Annotated[
    Decimal,
    PlainSerializer(_number),
    WithJsonSchema({"type": "number", "format": "double", "minimum": 0, "examples": [19.99]}, mode="serialization"),
]


class ProductView(View):
    """A product, as everyone sees it."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    owner_id: str = Field(description="The user who created it.", examples=["019a9d5c-4b2c-7c3d-8e21-0f9a8b7c6d5e"])
    name: str = Field(examples=["Desk lamp"])
    price: PriceNumber
    description: str | None = Field(examples=["Bends both ways."])
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])

    @classmethod
    def of(cls, product: SampleProduct) -> ProductView:
        """The view of a product."""
        return cls(
            id=product.id,
            owner_id=product.owner_id,
            name=product.name,
            price=product.price,
            description=product.description,
            created_at=product.created_at,
        )


class ProductData(View):
    """One product."""

    product: ProductView

    @classmethod
    def of(cls, product: SampleProduct) -> ProductData:
        """The data of a reply about one product."""
        return cls(product=ProductView.of(product))


class ProductList(View):
    """A page of products, oldest first."""

    products: list[ProductView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, page: ProductPage) -> ProductList:
        """The data of a reply with a page of products."""
        return cls(products=[ProductView.of(product) for product in page.products], next=cursor_behind(page.next))
