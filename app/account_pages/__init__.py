"""Pages of users about their own account, and the well-known documents that lead browsers to them."""

from __future__ import annotations

from app.account_pages import controller, pages
from app.feature import Feature, Tag

FEATURE = Feature(
    tags=(
        Tag(
            "well-known",
            "Documents that browsers and password managers look for at a fixed place.",
            (controller.passkey_endpoints, controller.related_origins),
        ),
    ),
    pages=(Tag("pages", "", (pages.change_password, pages.passkeys)),),
)
