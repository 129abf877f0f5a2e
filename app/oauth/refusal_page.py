"""What a browser gets for an authorization request, or another of the same kind, that is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.web.result import redirect

if TYPE_CHECKING:
    from app.oauth.refusal import RefusedError
    from app.web.call import Call, CallBy
    from app.web.result import File


def told(call: Call, refused: RefusedError) -> File:
    """The client is told at its redirect URI; where there is none to be trusted, the user is, on a page."""
    location = refused.location(call.settings.server.public_url)
    return told_to_user(call, refused) if location is None else redirect(location)


def told_to_user(call: CallBy[Any], refused: RefusedError) -> File:
    """The page that says so."""
    return call.page("authorization_refused.html", status=400, error=refused.error, description=refused.description)
