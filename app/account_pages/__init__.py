"""Pages of users about their own account: to log in and out, and to consent; and the well-known documents that lead
browsers to them."""

from __future__ import annotations

from app.account_pages import controller, pages
from app.account_pages.consent import pages as consent
from app.account_pages.device import pages as device
from app.account_pages.enrol import pages as enrol
from app.account_pages.login import pages as login
from app.account_pages.provider import pages as provider
from app.feature import Feature, Tag

FEATURE = Feature(
    tags=(
        Tag(
            "well-known",
            "Documents that browsers and password managers look for at a fixed place.",
            (controller.passkey_endpoints, controller.related_origins),
        ),
    ),
    pages=(
        Tag(
            "pages",
            "",
            (
                pages.change_password,
                pages.passkeys,
                login.show_login,
                login.sign_in,
                login.show_factor,
                login.prove_factor,
                provider.go_to_provider,
                provider.come_from_provider,
                enrol.show_enrol,
                enrol.enrol,
                login.show_logout,
                login.sign_out,
                consent.show_consent,
                consent.answer_consent,
                device.show_device,
                device.answer_device,
            ),
        ),
    ),
)
