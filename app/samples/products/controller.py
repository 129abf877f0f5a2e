"""A sample: products, which everyone sees and which their owners create and delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.principal import Principal
from app.platform import pieces
from app.platform.errors import NotFound, Unavailable
from app.samples.products.inputs import CreateProduct
from app.samples.products.service import NewProduct, SampleProductService
from app.samples.products.views import ProductData, ProductList, ProductView
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.export import all_pages, exporter
from app.web.guard import authenticated, public
from app.web.paging import Page
from app.web.view import Nothing

if TYPE_CHECKING:
    from collections.abc import Iterator


@endpoint(
    "GET /api/products",
    access=public,
    operation="listProducts",
    query=Page,
    returns=ProductList,
    raises=(Unavailable,),
)
def products(call: Call, page: Page) -> ProductList:
    """The products of all users, oldest first."""
    return ProductList.of(call.get(SampleProductService).list_all(after=page.cursor, limit=page.limit))


@endpoint(
    "GET /api/products/my",
    access=authenticated.by("session", "impersonation", "api_key"),
    operation="listMyProducts",
    query=Page,
    returns=ProductList,
)
def my(call: CallBy[Principal], page: Page) -> ProductList:
    """The user's own products, oldest first."""
    owner_id = call.caller.user.id
    return ProductList.of(call.get(SampleProductService).list_of(owner_id, after=page.cursor, limit=page.limit))


@endpoint(
    "POST /api/products",
    access=authenticated.by("session", "impersonation", "api_key"),
    operation="createProduct",
    body=CreateProduct,
    returns=ProductData,
    status=201,
    message="Product created",
)
def create(call: CallBy[Principal], body: CreateProduct) -> ProductData:
    """Create a product that belongs to the user. It is deleted with the account."""
    new = NewProduct(body.name, body.price, body.description)
    return ProductData.of(call.get(SampleProductService).create(call.caller, new))


@endpoint(
    "DELETE /api/products/<product_id>",
    access=authenticated.by("session", "impersonation", "api_key"),
    operation="deleteProduct",
    returns=Nothing,
    message="Product deleted",
    raises=(NotFound,),
)
def delete(call: CallBy[Principal], product_id: str) -> Nothing:
    """Delete one of the user's own products. Another user's product gets the same reply as one that does not exist."""
    call.get(SampleProductService).delete(product_id, call.caller.user.id)
    return Nothing()


@exporter("products", ProductView)
def exported(call: CallBy[Principal]) -> Iterator[list[ProductView]]:
    """The user's own products, oldest first."""
    products, owner_id = call.get(SampleProductService), call.caller.user.id
    for page in all_pages(lambda start: products.list_of(owner_id, after=start, limit=pieces.EXPORTED_AT_ONCE)):
        yield ProductList.of(page).products
