"""The page that asks for consent. Whether it has to be asked for, `app.oauth.decision` says, and nothing here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.account_pages.asked import asked_facts
from app.account_pages.consent.forms import ConsentForm
from app.account_pages.login.asking import asked_for, consent_is_on, destination_of, own_page, policy, visitor_of
from app.account_pages.login.destination import Destination
from app.account_pages.paths import CONSENT, LOGIN
from app.config.values import is_loopback
from app.oauth.authorization import Authorizations
from app.oauth.decision import Consent
from app.oauth.refusal import RefusedError
from app.oauth.refusal_page import told
from app.oauth.requests.service import AuthorizationRequests
from app.platform.errors import SessionEnded, Unavailable
from app.web.call import Call
from app.web.guard import public
from app.web.result import File, redirect

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.oauth.requests.service import Authorization


@own_page(f"GET {CONSENT}", access=public, operation="showConsentPage", on=consent_is_on, raises=(Unavailable,))
def show_consent(call: Call) -> File:
    """The page on which users see what an application asks for, and allow or deny it."""
    going = destination_of(call)
    try:
        asked = asked_for(call, going.request)
    except RefusedError as refused:
        return told(call, refused)
    visitor = visitor_of(call)
    if asked is None or visitor is None:
        return redirect(call.link(going.behind(LOGIN)))
    if not isinstance(call.get(Authorizations).next_step(asked, visitor), Consent):
        return redirect(call.get(AuthorizationRequests).url_of(asked))
    return call.page("consent.html", headers=policy(asked), **_facts(call, asked, visitor))


@own_page(
    f"POST {CONSENT}",
    access=public,
    limit="authorize",
    form=ConsentForm,
    on=consent_is_on,
    raises=(SessionEnded, Unavailable),
)
def answer_consent(call: Call, form: ConsentForm) -> File:
    """Give the application its answer: a code, or that the user denies it.

    The answer is that of the user who saw the page. If somebody else has logged in at this browser meanwhile, they see
    the page themselves.
    """
    going = Destination.of({"request": form.request})
    try:
        asked = asked_for(call, going.request)
        visitor = visitor_of(call)
        if asked is None or visitor is None:
            return redirect(call.link(going.behind(LOGIN)))
        if visitor.user.id != form.user:
            return redirect(call.link(going.behind(CONSENT)))
        allowed = form.answer == "allow"
        return redirect(call.get(Authorizations).answer(asked, visitor, allowed, call.device))
    except RefusedError as refused:
        return told(call, refused)


def _facts(call: Call, asked: Authorization, visitor: Principal) -> dict[str, Any]:
    """What the page says: what is asked, who describes the application, and where the answer goes."""
    target = urlsplit(asked.redirect_uri)
    return {
        **asked_facts(call, asked, visitor),
        "request": asked.request,
        "described_at": urlsplit(asked.client.id).netloc if asked.client.kind == "metadata" else None,
        "host": target.hostname if target.scheme in {"http", "https"} else None,
        "app_scheme": target.scheme,
        "is_local": is_loopback(target.hostname or ""),
    }
