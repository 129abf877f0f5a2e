"""A sample: products that users own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.service import Accounts
from app.feature import Feature, Tag
from app.samples.products import controller
from app.samples.products.model import SampleProducts
from app.samples.products.service import SampleProductService

if TYPE_CHECKING:
    from app.platform.container import Container


def _products(parts: Container) -> SampleProductService:
    return SampleProductService(parts.get(SampleProducts), parts.get(Accounts), parts.clock)


FEATURE = Feature(
    tags=(
        Tag(
            "products",
            "A sample of what an application builds on the service: products, each with an owner.",
            (controller.products, controller.my, controller.create, controller.delete),
        ),
    ),
    services={SampleProductService: _products},
    repositories=(SampleProducts,),
    erase=lambda parts: parts.get(SampleProductService).erase,
    exports=(controller.exported,),
    permissions=frozenset({"products:write"}),
    sample=True,
)
