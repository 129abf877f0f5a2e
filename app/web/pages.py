"""Pages for people: how they are made, and what their words and looks come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app, render_template, request

from app.web.endpoint import File

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.config import Settings
    from app.inputs.fields import InputRules
    from app.web.endpoint import Endpoint

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
"""Nothing on a page is inline. The icon of each is an empty data: address, so that no browser asks for one."""
ADVICE = {
    "invalid_code": (
        "Links and codes work once and for a limited time, and some changes of an account end them."
        " Ask for a new mail where you log in."
    ),
    "email_taken": (
        "Somebody has confirmed this e-mail address for another account. If that was you, log in there; if you do not"
        " know the password, choose “forgot password” where you log in."
    ),
    "username_taken": "The user name went to somebody else meanwhile. Register again, with another one.",
    "forbidden": "Open the link in the mail again and go on from there.",
    "invalid_request": "Open the link in the mail again and go on from there.",
    "malformed_json": "Check your connection and try again.",
    "overloaded": "Wait a moment and try again.",
    "unavailable": "Wait a moment and try again.",
    "internal_error": "Try again later. If it happens again, tell the people who run this service.",
}
"""What a person can do about a failure, by its code. The remedies in `app/errors.py` are for who writes clients."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages depend on."""

    settings: Settings
    rules: InputRules


def site() -> Site:
    """That of the application under way."""
    return cast("Site", current_app.extensions["site"])


def paths(endpoints: Iterable[Endpoint]) -> frozenset[str]:
    """The paths of those that are pages, where failures are pages, too."""
    return frozenset(declared.path for declared in endpoints if declared.media_type == "text/html")


def page(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **facts: object) -> File:
    """A page of a template. Its links are relative: a proxy may have cut the path before ours."""
    content = render_template(
        template,
        product=site().settings.mail.product_name,
        root="/".join([".", *[".."] * (request.path.count("/") - 1)]),
        **facts,
    )
    headers = {"Content-Security-Policy": _POLICY, **(headers or {})}
    return File(content.encode(), "text/html; charset=utf-8", headers, status)
