"""What follows a first factor on the pages, whichever it was: what is still missing, or the session and the way on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from app.account_pages.login.asking import go_on, headers_of, visitor_of
from app.account_pages.paths import LOGIN
from app.platform.errors import Unavailable
from app.sessions.page_sessions import DEVICE_COOKIE, PageSessions
from app.sessions.service import SessionService
from app.web.guard import PAGE_COOKIE
from app.web.result import Carrying, File, redirect

if TYPE_CHECKING:
    from app.account_pages.login.destination import Destination
    from app.platform.errors import SecondFactorRequired
    from app.sessions.session_tokens import OpenedSession
    from app.web.call import Call
    from app.web.result import CookieChange

COOKIES: Final = (PAGE_COOKIE, DEVICE_COOKIE)
"""What a login gives the browser."""
_ENTERED: Final = "entered"
"""In the query of the page that a login leads to first: whether the browser has kept the cookie shows only there."""


def ask_for_more(call: Call, failure: SecondFactorRequired, going: Destination) -> File:
    """The next step of a login that is not finished."""
    login = failure.facts["login"]
    if login["next"] == "second_factor":
        return second_step(call, login["token"], login["methods"], going)
    sent = {**going.fields, "login_token": login["token"]}
    return call.page("login_enrol.html", methods=login["methods"], sent=sent, headers=headers_of(call, sent))


def second_step(call: Call, token: str, methods: list[str], going: Destination) -> File:
    """The page that asks for a second factor in the login of this token."""
    sent = {**going.fields, "login_token": token, "methods": " ".join(methods)}
    facts: dict[str, Any] = {"trust_days": call.settings.accounts.factor_trust_days}
    return call.page("login_factor.html", sent=sent, headers=headers_of(call, sent), **facts)


def enter(call: Call, opened: OpenedSession, going: Destination) -> Carrying:
    """Lead on whoever has logged in. A session that this browser had before ends: its cookie is replaced.

    It had one if they have logged in, in another tab, since this one showed the form."""
    former = None
    with suppress(Unavailable):
        former = visitor_of(call)
    if former is not None:
        with suppress(Unavailable):
            call.get(SessionService).supersede(former, opened, call.device)
    joint = "&" if going.request or going.to else "?"
    onward = redirect(call.link(f"{going.behind(LOGIN)}{joint}{_ENTERED}=on"))
    return Carrying(onward, cookies=call.get(PageSessions).opened(opened))


def has_entered(call: Call) -> bool:
    """Whether the browser comes from a login just now."""
    return _ENTERED in call.query


def led_on(call: Call, going: Destination, cookies: tuple[CookieChange, ...]) -> File | Carrying:
    """Lead on whoever has proven again that it is them."""
    page = go_on(call, going)
    return Carrying(page, cookies=cookies) if cookies else page
