"""Logging in with an account at a provider, and linking one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.cookies import REFRESH_COOKIE
from app.accounts.principal import Principal
from app.platform.errors import (
    AccountDisabled,
    EmailNotVerified,
    EmailTaken,
    IdentityNotLinked,
    IdentityTaken,
    InvalidCode,
    LastCredential,
    MissingToken,
    NotFound,
    ProviderRefused,
    ReauthenticationRequired,
    RegistrationRefused,
    SecondFactorRequired,
    TooManyIdentities,
    Unavailable,
)
from app.sessions.session_tokens import OpenedSession
from app.sessions.views import TokenPair, as_reply
from app.social.cookies import PROVIDER_COOKIE
from app.social.inputs import FinishAtProvider, StartAtProvider
from app.social.service import LIVES, ProviderLogins
from app.social.users import SocialUsers
from app.social.views import IdentityData, IdentityList, IdentityView, ProviderList, VisitView
from app.web.call import Call, CallBy
from app.web.endpoint import Outcome, endpoint
from app.web.export import exporter
from app.web.guard import authenticated, public, public_or_session
from app.web.result import Carrying
from app.web.view import Nothing

if TYPE_CHECKING:
    from collections.abc import Iterator


@endpoint("GET /auth/providers", access=public, operation="listProviders", returns=ProviderList)
def providers(call: Call) -> ProviderList:
    """The providers with whose accounts users log in (`PROVIDERS_FILE`), in the order of the operator."""
    return ProviderList.of(call.get(ProviderLogins).providers())


@endpoint(
    "POST /auth/providers/<provider>/start",
    access=public_or_session,
    operation="startAtProvider",
    limit="provider",
    body=StartAtProvider,
    returns=VisitView,
    carries=(PROVIDER_COOKIE,),
    raises=(NotFound, MissingToken, ReauthenticationRequired, ProviderRefused, Unavailable),
)
def start(call: CallBy[Principal], body: StartAtProvider, provider: str) -> Carrying:
    """Begin a login with an account at a provider: open `url` in this browser.

    The provider sends the browser back here, and from here it goes on to `redirect_to`, with a `code` for
    `POST /auth/providers/finish`, or an `error`. A cookie binds all of it to this browser: a page of another origin
    sends this request with `credentials: "include"`. With `purpose: link` the account at the provider is linked to the
    user of the access token, who logged in within the last `REAUTH_SECONDS`.
    """
    by = None
    if body.purpose == "link":
        if call.admitted is None:
            raise MissingToken
        call.require_fresh_login()
        by = call.caller
    started = call.get(ProviderLogins).start(
        provider, body.redirect_to, browser=call.cookie(PROVIDER_COOKIE), challenge=body.challenge, by=by
    )
    cookie = PROVIDER_COOKIE.set(started.browser, seconds=int(LIVES.total_seconds()))
    return Carrying(VisitView(url=started.url), cookies=(cookie,))


@endpoint(
    "POST /auth/providers/finish",
    access=public_or_session,
    operation="finishAtProvider",
    limit="provider",
    body=FinishAtProvider,
    returns=TokenPair,
    or_else=(Outcome(IdentityData, 200, "This account is linked"),),
    carries=(REFRESH_COOKIE,),
    raises=(
        InvalidCode,
        AccountDisabled,
        EmailNotVerified,
        EmailTaken,
        IdentityNotLinked,
        IdentityTaken,
        TooManyIdentities,
        RegistrationRefused,
        SecondFactorRequired,
        Unavailable,
    ),
)
def finish(call: CallBy[Principal], body: FinishAtProvider) -> TokenPair | IdentityData | Carrying:
    """Log in with the code that came back from a provider. It works once, for two minutes, in the browser that began,
    by its cookie; or for whoever knows the `verifier`.

    Whose account at the provider is linked, is logged in; whoever is new is registered, if the provider may do that. If
    the e-mail address belongs to a user, and the account at the provider is not linked, the reply is 409
    `identity_not_linked`: an address alone never links. A second factor is asked for as at every login: then the reply
    is 403 `second_factor_required`, and `POST /auth/login/continue` goes on. For `purpose: link`, send the access token
    of the session that began; the reply holds what is linked now.
    """
    by = None if call.admitted is None else call.caller
    cookie = call.cookie(PROVIDER_COOKIE)
    outcome = call.get(ProviderLogins).finish(body.code, body.verifier, cookie, by, call.device)
    if isinstance(outcome, OpenedSession):
        return as_reply(call, outcome)
    return IdentityData(identity=IdentityView.of(outcome))


@endpoint("GET /auth/identities", access=authenticated, operation="listIdentities", returns=IdentityList)
def identities(call: CallBy[Principal]) -> IdentityList:
    """The accounts at providers that log the user in, the oldest first."""
    return IdentityList.of(call.get(SocialUsers).list_of(call.caller.user.id))


@endpoint(
    "DELETE /auth/identities/<identity_id>",
    access=authenticated,
    operation="removeIdentity",
    limit="provider",
    returns=Nothing,
    message="This account at the provider is no longer linked",
    raises=(NotFound, LastCredential, ReauthenticationRequired),
)
def remove_identity(call: CallBy[Principal], identity_id: str) -> Nothing:
    """Unlink an account at a provider. The last way into the account stays.

    All other sessions end, and the user gets a mail. It needs a login within the last `REAUTH_SECONDS`.
    """
    call.require_fresh_login()
    call.get(SocialUsers).unlink(call.caller, identity_id, call.device)
    return Nothing()


@exporter("identities", IdentityView)
def exported(call: CallBy[Principal]) -> Iterator[list[IdentityView]]:
    """The user's accounts at providers: a user has few."""
    yield IdentityList.of(call.get(SocialUsers).list_of(call.caller.user.id)).identities
