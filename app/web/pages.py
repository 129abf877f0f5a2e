"""Pages for people: how they are rendered, and where their words and looks come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import render_template, request

from app.web.result import File

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.config import Settings
    from app.web.endpoint import Endpoint

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; form-action {targets};"
    " frame-ancestors 'none'"
)
"""Nothing on a page is inline. Each page's icon is an empty data: URL, so that no browser requests one."""
ADVICE = {
    "invalid_code": (
        "Links and codes work once and for a limited time, and some changes to an account cancel them."
        " Ask for a new mail where you log in."
    ),
    "invalid_login_token": "Ask for another mail where you log in.",
    "email_taken": (
        "This e-mail address was confirmed for another account. If that was you, log in there; if you do not"
        " know the password, choose “forgot password” where you log in."
    ),
    "username_taken": "Someone else has taken the user name in the meantime. Register again with another one.",
    "forbidden": "Begin again from the application, or the mail, that led you here.",
    "invalid_request": "Begin again from the application, or the mail, that led you here.",
    "malformed_json": "Check your connection and try again.",
    "overloaded": "Wait a moment and try again.",
    "unavailable": "Wait a moment and try again.",
    "internal_error": "Try again later. If it happens again, tell the people who run this service.",
    "not_found": "Check the address for a typing error. If a link led here, it is out of date.",
    "method_not_allowed": "This address is not meant to be opened in a browser.",
}
"""What a person can do about a failure, by its code. The remedies in `errors.py` are for client developers."""


def paths(endpoints: Iterable[Endpoint]) -> frozenset[str]:
    """The paths of the endpoints that browsers show, where failures can be pages, too."""
    return frozenset(declared.path for declared in endpoints if declared.media_type in {"text/html", "*/*"})


def root_of_links() -> str:
    """Where the links of the page at this path begin."""
    return "/".join([".", *[".."] * (request.path.count("/") - 1)])


@dataclass(frozen=True, slots=True)
class Pages:
    """Renders the templates, with the name of the product and links that work behind every proxy."""

    product: str
    above: str
    """The path of PUBLIC_URL."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Pages:
        """The pages as these settings have them."""
        return cls(settings.mail.product_name, urlsplit(settings.server.public_url).path)

    def render(
        self,
        template: str,
        facts: Mapping[str, object],
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        form_action: tuple[str, ...] = (),
        anywhere: bool = False,
    ) -> File:
        """Render a template with these variables as a page.

        Its links are relative, since a proxy may have removed a prefix of the path.
        Relative links depend on the path that the browser sees. A page that can appear `anywhere`, under any path, does
        not know that path, since proxies change slashes: its links begin with the path of PUBLIC_URL instead.
        `form_action` holds the URLs that a redirect behind its form may lead to, beside our own: Chrome applies the
        policy to each of these, however many hops there are.
        """
        root = self.above if anywhere else root_of_links()
        content = render_template(template, product=self.product, root=root, **facts)
        targets = " ".join(["'self'", *sorted({source_of(url) for url in form_action})])
        headers = {"Content-Security-Policy": _POLICY.format(targets=targets), **(headers or {})}
        return File(content.encode(), "text/html; charset=utf-8", headers, status)


def source_of(url: str) -> str:
    """The URL as a source of the Content Security Policy (level 3, section 2.3.1): its origin, or its scheme where the
    grammar has no word for the origin, as with an address of IPv6 or the scheme of an app.

    Raises ValueError for what is no URL, or would end the directive.
    """
    found = _URL.match(url)
    if found is None:
        raise ValueError("a form leads to a URL")
    return f"{found['scheme']}{found['host'] or ''}".lower()


_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:)(?P<host>//[A-Za-z0-9.-]+(:[0-9]+)?(?=[/?]|$))?")
