"""Upstream providers: logging in with an account elsewhere (docs/social-login.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.accounts.provider_ids import ProviderIds
from app.accounts.service import Accounts
from app.feature import Feature, MailKind, Tag
from app.hooks.calls import Hooks
from app.security.bounded_calls import BoundedCalls
from app.security.egress import Egress
from app.security.published import PublishedDocuments
from app.sessions.gate import LoginGate
from app.social import controller, pages
from app.social.flows.model import Flows
from app.social.github import GitHubUpstream
from app.social.identities.model import Identities
from app.social.identities.rows import IdentityRows
from app.social.metadata import SECONDS, Documents
from app.social.openid import OpenIdUpstream
from app.social.provider import Providers
from app.social.providers_file import read_providers
from app.social.registration import SocialRegistration
from app.social.service import ProviderLogins
from app.social.targets import Targets
from app.social.users import SocialUsers
from app.throttle.guesses import Guesses
from app.throttle.service import PasswordThrottle

if TYPE_CHECKING:
    from app.platform.container import Container
    from app.social.provider import Provider
    from app.social.service import Upstream

_AT_ONCE = 8
"""Requests to providers that run at once in a process: strangers can trigger them."""


def _providers(parts: Container) -> Providers:
    return Providers(read_providers(parts.settings.social.providers_file))


def _users(parts: Container) -> SocialUsers:
    settings, identities, accounts = parts.settings.accounts, parts.get(Identities), parts.get(Accounts)
    rows = IdentityRows(identities, parts.clock)
    registration = SocialRegistration(
        rows,
        accounts,
        parts.get(PasswordThrottle),
        parts.get(Guesses),
        settings.default_roles,
        settings.names_required in {"email", "both"},
        parts.find(Hooks),
    )
    return SocialUsers(identities, rows, accounts, registration, parts.get(Providers).by_id)


def _logins(parts: Container) -> ProviderLogins:
    settings = parts.settings
    egress = replace(parts.get(Egress), calls=BoundedCalls("providers", _AT_ONCE))
    documents = Documents(PublishedDocuments(egress, SECONDS))
    public_url = settings.server.public_url

    def upstream(provider: Provider) -> Upstream:
        callback = f"{public_url}/auth/providers/{provider.id}/callback"
        if provider.kind == "github":
            return GitHubUpstream(provider, documents, callback)
        return OpenIdUpstream(provider, documents, callback, parts.clock)

    return ProviderLogins(
        {name: upstream(provider) for name, provider in parts.get(Providers).by_id.items()},
        parts.get(Flows),
        parts.get(SocialUsers),
        parts.get(LoginGate),
        parts.clock,
        Targets(public_url, settings.browsers.cors_origins),
        settings.social.trust_upstream_mfa,
    )


FEATURE = Feature(
    tags=(
        Tag(
            "providers",
            "Logging in with an account at an upstream provider.",
            (
                controller.providers,
                controller.start,
                controller.finish,
                controller.identities,
                controller.remove_identity,
            ),
        ),
    ),
    pages=(Tag("pages", "", (pages.come_back, pages.come_back_by_form)),),
    services={
        Providers: _providers,
        ProviderIds: lambda parts: ProviderIds(frozenset(parts.get(Providers).by_id)),
        SocialUsers: _users,
        ProviderLogins: _logins,
    },
    repositories=(Identities, Flows),
    erase=lambda parts: parts.get(ProviderLogins).erase,
    expires=(Flows,),
    mails=(MailKind("identity_linked", __name__), MailKind("identity_unlinked", __name__)),
    exports=(controller.exported,),
)
