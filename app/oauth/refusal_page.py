"""The page for a request of a client that is refused, where the client cannot be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.web.result import redirect

if TYPE_CHECKING:
    from app.oauth.refusal import RefusedError
    from app.web.call import CallBy
    from app.web.result import File

_EXPIRED: Final = "request_uri_expired"
"""The reason for a kept request that has expired, was answered, or is another client's."""


def told(call: CallBy[Any], refused: RefusedError, *, of_logout: bool = False) -> File:
    """Tell the client at its redirect URI; where there is none to be trusted, the user, on a page."""
    location = refused.location(call.settings.server.public_url)
    if location is not None:
        return redirect(location)
    return call.page(
        "authorization_refused.html",
        status=400,
        error=refused.error,
        description=refused.description,
        is_over=refused.reason == _EXPIRED,
        of_logout=of_logout,
    )
