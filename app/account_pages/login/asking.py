"""What the pages share: who is logged in, which application asks for them, and where a browser goes next."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from app.account_pages.login.destination import Destination
from app.oauth.refusal import RefusedError
from app.oauth.refusal_page import told
from app.oauth.requests.service import AuthorizationRequests
from app.platform.errors import Unavailable
from app.social.service import ProviderLogins
from app.web.endpoint import page
from app.web.pages import source_of
from app.web.result import redirect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.accounts.principal import Principal
    from app.config import Settings
    from app.oauth.requests.service import Authorization
    from app.social.provider import Provider
    from app.web.call import Call
    from app.web.result import File

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none';"
    " form-action {targets}; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""As that of all pages; and the script asks the API for what a passkey has to sign."""


def pages_are_on(settings: Settings) -> bool:
    """Whether there are pages to log in."""
    return settings.oauth.pages


def consent_is_on(settings: Settings) -> bool:
    """Whether there is an authorization server, which has users consent on a page."""
    return settings.oauth.pages and settings.oauth.on


own_page = partial(page, on=pages_are_on)
"""Declare one of these pages. Most are public, and look themselves whether anybody is logged in."""


def visitor_of(call: Call) -> Principal | None:
    """Who is logged in at this browser. Raises InvalidRequest for two different cookies, and Unavailable."""
    return cast("Principal | None", call.visitor)


def destination_of(call: Call) -> Destination:
    """Where the query of this request says that the login leads; what is there twice says nothing."""
    return Destination.of({name: values[0] for name, values in call.query.items() if len(values) == 1})


def asked_for(call: Call, request: str | None) -> Authorization | None:
    """The authorization request of this secret; None without one, and where there is no authorization server.

    Raises RefusedError for one that is over.
    """
    if request is None or not call.settings.oauth.on:
        return None
    return call.get(AuthorizationRequests).recall(request)


def login_facts(call: Call, asked: Authorization | None) -> dict[str, Any]:
    """What the page of the login tells beside its form: for whom it is, and which providers log in, too."""
    return {"client": asked and asked.client.name, "providers": providers_of(call)}


def login_facts_again(call: Call, sent: Mapping[str, str | None]) -> dict[str, Any]:
    """The same when the form is shown again."""
    asked = None
    with suppress(RefusedError, Unavailable):  # said when the login is done
        asked = asked_for(call, Destination.of(sent).request)
    return login_facts(call, asked)


def providers_of(call: Call) -> list[Provider]:
    """The providers that log in to the pages, in the order of the operator."""
    logins = call.find(ProviderLogins)
    return [] if logins is None else logins.providers()


def policy(asked: Authorization | None = None) -> dict[str, str]:
    """The header with the policy of a page whose form may lead to the application that asks: browsers apply it to each
    redirect behind a form."""
    targets = "'self'" if asked is None else f"'self' {source_of(asked.redirect_uri)}"
    return {"Content-Security-Policy": _POLICY.format(targets=targets)}


def headers_of(call: Call, sent: Mapping[str, str | None]) -> dict[str, str]:
    """The headers of a page with a form that leads on to where `sent` says."""
    try:
        return policy(asked_for(call, Destination.of(sent).request))
    except (RefusedError, Unavailable):  # it is said when the login is done
        return policy()


def go_on(call: Call, going: Destination) -> File:
    """Lead the browser on, after its login. An authorization request is decided again, by what is true now."""
    try:
        asked = asked_for(call, going.request)
    except RefusedError as refused:
        return told(call, refused)
    return redirect(call.link(going.page) if asked is None else call.get(AuthorizationRequests).url_of(asked))
