"""To a provider and back, to log in to the pages. The authorization request that asked for the login goes along in the
address to come back to; who comes back is logged in only in the browser that began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.account_pages.login.asking import destination_of, headers_of, login_facts_again, own_page
from app.account_pages.login.entering import COOKIES, ask_for_more, enter
from app.account_pages.paths import LOGIN, PROVIDER
from app.account_pages.provider.forms import ProviderForm
from app.platform.errors import (
    AccountDisabled,
    EmailNotVerified,
    EmailTaken,
    IdentityNotLinked,
    InvalidCode,
    NotFound,
    ProviderRefused,
    RegistrationRefused,
    SecondFactorRequired,
    TooManyRequests,
    Unavailable,
)
from app.social.cookies import PROVIDER_COOKIE
from app.social.service import LIVES, ProviderLogins
from app.web.call import Call
from app.web.form import Again, keeping
from app.web.guard import public
from app.web.result import Carrying, File, redirect

if TYPE_CHECKING:
    from app.platform.errors import Failure

_LOGIN: Final = "login.html"
_DENIED: Final = "You did not log in at the provider."
_TELL: Final = (
    AccountDisabled,
    EmailNotVerified,
    EmailTaken,
    IdentityNotLinked,
    InvalidCode,
    ProviderRefused,
    RegistrationRefused,
    Unavailable,
)
"""What the page of the login tells, so that its user can log in another way."""


@own_page(
    f"POST {PROVIDER}",
    access=public,
    limit="provider",
    form=ProviderForm,
    again=Again(
        _LOGIN,
        failures=(NotFound, ProviderRefused, TooManyRequests, Unavailable),
        still_good=keeping("request", "to"),
        facts=login_facts_again,
        headers=headers_of,
    ),
    carries=(PROVIDER_COOKIE,),
)
def go_to_provider(call: Call, form: ProviderForm) -> Carrying:
    """Send the browser to a provider to log in, by a page that leads there at once.

    It is no redirect: browsers apply `form-action` to each redirect behind a form, and the address of a provider is not
    known before it is asked for it.
    """
    going = form.going
    started = call.get(ProviderLogins).start(
        form.provider, going.behind(PROVIDER), browser=call.cookie(PROVIDER_COOKIE)
    )
    name = next(each.name for each in call.get(ProviderLogins).providers() if each.id == form.provider)
    cookie = PROVIDER_COOKIE.set(started.browser, seconds=int(LIVES.total_seconds()))
    return Carrying(call.page("to_provider.html", url=started.url, provider=name), cookies=(cookie,))


@own_page(
    f"GET {PROVIDER}",
    access=public,
    limit="provider",
    operation="logInByProvider",
    carries=COOKIES,
    raises=_TELL,
)
def come_from_provider(call: Call) -> File | Carrying:
    """Log in whoever comes back from a provider, by the code in the query: once, and only in the browser that began."""
    going = destination_of(call)
    told = {name: values[0] for name, values in call.query.items() if len(values) == 1}
    try:
        if "error" in told:
            raise _refusal(told["error"])
        if "code" not in told:
            return redirect(call.link(going.behind(LOGIN)))
        opened = call.get(ProviderLogins).log_in_page(told["code"], call.cookie(PROVIDER_COOKIE), call.device)
        return enter(call, opened, going)
    except SecondFactorRequired as failure:
        return ask_for_more(call, failure, going)
    except _TELL as failure:
        sent = going.fields
        facts = {"sent": sent, "came_back": True, **login_facts_again(call, sent)}
        return call.failed(failure, _LOGIN, facts, headers_of(call, sent))


def _refusal(error: str) -> Failure:
    """What the error in the address says; anything else is as if the provider had refused."""
    if error == Unavailable.code:
        return Unavailable("The provider does not answer at the moment.")
    return ProviderRefused(_DENIED) if error == "access_denied" else ProviderRefused()
