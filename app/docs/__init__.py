"""The documentation that an instance serves: OpenAPI, Swagger UI, the first page, and a page for each error."""

from __future__ import annotations

from app.docs import controller
from app.feature import Feature, Tag

FEATURE = Feature(
    tags=(Tag("docs", "The documentation of the service.", (controller.openapi,)),),
    pages=(Tag("docs", "", (controller.index, controller.swagger, controller.error, controller.asset)),),
)
