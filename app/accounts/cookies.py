"""The cookie that keeps a browser logged in: the refresh token, out of reach of scripts (docs/browsers.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.web.result import Carrying, Cookie

if TYPE_CHECKING:
    from app.web.call import CallBy
    from app.web.view import View

REFRESH_COOKIE = Cookie(
    "__Host-latchkey",
    "The refresh token, with `AUTH_COOKIES` only; `latchkey` over http in development.",
)


def without_cookie(call: CallBy[Any], view: View) -> View | Carrying:
    """This reply, which lets the browser forget the refresh token if AUTH_COOKIES is on."""
    if not call.settings.browsers.auth_cookies:
        return view
    return Carrying(view, cookies=(REFRESH_COOKIE.clear(),))
