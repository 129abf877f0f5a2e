"""Logout that a client asks for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlencode

from app.oauth.logout.forms import ConfirmLogout
from app.oauth.logout.service import RequestedLogouts
from app.oauth.refusal import RefusedError
from app.oauth.refusal_page import told
from app.platform.errors import Forbidden, Unavailable
from app.sessions.service import SessionService
from app.web.endpoint import endpoint
from app.web.guard import PAGE_COOKIE, public
from app.web.pages import source_of
from app.web.result import Carrying, File, redirect

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.oauth.logout.service import LogoutRequest
    from app.web.call import Call
    from app.web.parameters import Parameters

LOGOUT: Final = "/oauth/logout"
_KEPT: Final = ("client_id", "post_logout_redirect_uri", "state")
_page = partial(
    endpoint,
    access=public,
    limit="authorize",
    returns=File,
    status=303,
    media_type="text/html",
    carries=(PAGE_COOKIE,),
    on=lambda settings: settings.oauth.pages,
)


@_page(f"GET {LOGOUT}", parameters="query", raises=(Forbidden, Unavailable))
def log_out(call: Call, parameters: Parameters) -> File | Carrying:
    """Log the user out at this browser, and lead it back to the client.

    With an ID token of the user it ends their login on a GET, as OpenID Connect has it; otherwise the user is asked.
    """
    try:
        request = call.get(RequestedLogouts).check(parameters)
    except RefusedError as refused:
        return told(call, refused, of_logout=True)
    visitor = _visitor(call)
    if call.get(RequestedLogouts).end(request, visitor, call.device):
        return _led_on(call, request, visitor)
    return _ask(call, request, parameters)


@_page(f"POST {LOGOUT}", parameters="body", raises=(Forbidden, Unavailable))
def log_out_by_form(call: Call, parameters: Parameters) -> File | Carrying:
    """The same, posted by a page of the client, without the cookie of our own (SameSite=Lax).

    If the ID token alone does not tell which login is meant, the browser comes back with a GET, and its cookie.
    """
    requested = call.get(RequestedLogouts)
    try:
        request = requested.check(parameters)
    except RefusedError as refused:
        return told(call, refused, of_logout=True)
    visitor = _visitor(call)
    if visitor is None and not requested.is_known(request):
        sent = {name: value for name in (*_KEPT, "id_token_hint") if (value := parameters.get(name)) is not None}
        return redirect(f"{call.link(LOGOUT)}?{urlencode(sent)}")
    if requested.end(request, visitor, call.device):
        return _led_on(call, request, visitor)
    return _ask(call, request, parameters)


@_page(f"POST {LOGOUT}/confirm", form=ConfirmLogout, raises=(Unavailable,))
def confirm_logout(call: Call, form: ConfirmLogout) -> File | Carrying:
    """The user was asked, and logs out."""
    request, visitor = call.get(RequestedLogouts).check(form.parameters), _visitor(call)
    if visitor is not None:
        call.get(SessionService).log_out(visitor, "this", call.device)
    return _led_on(call, request, visitor)


def _visitor(call: Call) -> Principal | None:
    return cast("Principal | None", call.visitor)


def _led_on(call: Call, request: LogoutRequest, visitor: Principal | None) -> File | Carrying:
    """Back to the client, or to the page that says that nobody is logged in."""
    onward = redirect(request.back_to or call.link("/logout"))
    return onward if visitor is None else Carrying(onward, cookies=(PAGE_COOKIE.clear(),))


def _ask(call: Call, request: LogoutRequest, parameters: Parameters) -> File:
    sent = {name: parameters.get(name) for name in _KEPT}
    if request.client is not None:  # perhaps known by its ID token alone
        sent["client_id"] = request.client.id
    client = None if request.client is None else request.client.name
    targets = () if request.back_to is None else (source_of(request.back_to),)
    return call.page("oauth_logout.html", status=200, sent=sent, client=client, form_action=targets)
