"""The page of the passkeys, and the way to the page that sets a new password."""

from __future__ import annotations

from app.account_pages.paths import NEW_PASSWORD, PASSKEYS
from app.web.call import Call
from app.web.endpoint import endpoint, page
from app.web.guard import public
from app.web.result import File

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""The script of the page asks the API. Its forms are sent by the script alone: without it, a password goes nowhere."""


@page(f"GET {PASSKEYS}", access=public, operation="showPasskeysPage")
def passkeys(call: Call) -> File:
    """The page where users add, use, rename and remove passkeys: a client of the JSON API, by its script."""
    home = call.settings.server.public_url
    return call.page("passkeys.html", headers={"Content-Security-Policy": _POLICY}, home=f"{home}{PASSKEYS}")


@endpoint("GET /.well-known/change-password", access=public, returns=File, status=302, media_type="*/*")
def change_password(call: Call) -> File:
    """Lead browsers and password managers to the page that sets a new password (W3C, "A Well-Known URL for Changing
    Passwords").
    """
    return File(b"", "text/plain; charset=utf-8", {"Location": f"{call.settings.server.public_url}{NEW_PASSWORD}"})
