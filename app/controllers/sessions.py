"""Refreshing, listing and ending sessions."""

from __future__ import annotations

from app.errors import (
    InvalidRefreshToken,
    NotFound,
    ReusedRefreshToken,
    Unavailable,
)
from app.inputs.sessions import Logout, Refresh
from app.views.auth import TokenPair
from app.views.base import Nothing
from app.views.sessions import SessionList
from app.web.endpoint import Call, endpoint
from app.web.guard import authenticated, public


@endpoint(
    "POST /auth/refresh",
    access=public,
    limit="refresh",
    body=Refresh,
    returns=TokenPair,
    raises=(InvalidRefreshToken, ReusedRefreshToken, Unavailable),
)
def refresh(call: Call, body: Refresh) -> TokenPair:
    """Exchange a refresh token for a new pair.

    Send it in the body, or else in `Authorization: Bearer`. If the body has one, the header is ignored, so an HTTP
    client may add the access token to every request. A refresh token can be exchanged only once: sent again within
    `REFRESH_GRACE_SECONDS`, it gives the same new refresh token; sent again later, it ends the session.
    """
    token = body.refresh_token or call.bearer
    if token is None:
        raise InvalidRefreshToken("A refresh token is required, in the body or in Authorization: Bearer.")
    return TokenPair.of(call.services.sessions.refresh(token, call.device))


@endpoint("POST /auth/logout", access=authenticated, body=Logout, returns=Nothing, message="Logged out")
def logout(call: Call, body: Logout) -> Nothing:
    """End this session, all others, or all: at once, on every instance."""
    call.services.sessions.log_out(call.caller, body.scope, call.device)
    return Nothing()


@endpoint("GET /auth/sessions", access=authenticated, operation="listSessions", returns=SessionList)
def sessions(call: Call) -> SessionList:
    """The user's active sessions, oldest first."""
    return SessionList.of(call.services.sessions.list_of(call.user), call.caller.session_id)


@endpoint(
    "DELETE /auth/sessions/<session_id>",
    access=authenticated,
    returns=Nothing,
    message="Session ended",
    raises=(NotFound,),
)
def end_session(call: Call, session_id: str) -> Nothing:
    """End one of the user's sessions at once, on every instance."""
    call.services.sessions.end(session_id, call.user, call.device)
    return Nothing()
