"""A new session in the reply: its refresh token in the body, in the cookie, or in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.accounts.cookies import REFRESH_COOKIE
from app.sessions.views import TokenPair
from app.web.result import Carrying

if TYPE_CHECKING:
    from app.sessions.service import OpenedSession
    from app.web.call import CallBy

_WITHOUT_BODY = "X-Auth-Cookies"


def as_reply(call: CallBy[Any], opened: OpenedSession) -> TokenPair | Carrying:
    """The tokens of a session just opened or renewed.

    With AUTH_COOKIES they come with the cookie, and without the refresh token in the body if the client does not want
    it there. A page of an origin that is not listed sets no cookie, or it could log its visitors in to its own account.
    """
    if not call.settings.browsers.auth_cookies or call.came_from_other_page:
        return TokenPair.of(opened)
    in_body = call.header(_WITHOUT_BODY).strip() != "1"
    cookie = REFRESH_COOKIE.set(opened.refresh_token, seconds=max(1, opened.refresh_expires_in))
    return Carrying(TokenPair.of(opened, refresh_token=in_body), cookies=(cookie,))
