"""A sample: products that users own."""

from __future__ import annotations

from app.feature import Feature, Tag
from app.samples.products import controller
from app.samples.products.model import SampleProducts
from app.samples.products.service import SampleProductService

FEATURE = Feature(
    tags=(
        Tag(
            "products",
            "A sample of what an application builds on the service: products, each with an owner.",
            (controller.products, controller.my, controller.create, controller.delete),
        ),
    ),
    services={SampleProductService: lambda parts: SampleProductService(parts.get(SampleProducts), parts.clock)},
    repositories=(SampleProducts,),
    erase=lambda parts: parts.get(SampleProductService).erase,
    exports=(controller.exported,),
    permissions=frozenset({"products:write"}),
    sample=True,
)
