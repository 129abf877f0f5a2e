"""What the operator says of a provider, and what a provider says of a user."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from app.accounts.fields import Email, Name

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind: TypeAlias = Literal["oidc", "google", "github", "microsoft", "apple"]
Link: TypeAlias = Literal["ask", "verified", "never"]
"""What happens to somebody new to a provider whose proven address has an account: they are told to log in there and
link it (`ask`), are linked to it at once (`verified`), or as `ask`, and no unproven account is taken over either
(`never`)."""

ISSUERS: Final[Mapping[Kind, str]] = {
    "google": "https://accounts.google.com",
    "github": "https://github.com",
    "microsoft": "https://login.microsoftonline.com/common/v2.0",
    "apple": "https://appleid.apple.com",
}
"""The issuers of the kinds that have one. GitHub has none by itself: an identity there is one of this address."""
NAMES: Final[Mapping[Kind, str]] = {"google": "Google", "github": "GitHub", "microsoft": "Microsoft", "apple": "Apple"}
SCOPES: Final[Mapping[Kind, tuple[str, ...]]] = {
    "oidc": ("openid", "email", "profile"),
    "google": ("openid", "email", "profile"),
    "microsoft": ("openid", "email", "profile"),
    "apple": ("openid", "email", "name"),
    "github": ("read:user", "user:email"),
}


IMPORTED_AS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "google": ("google", "google.com", "google-oauth2", "oauth_google"),
    "github": ("github", "github.com", "oauth_github"),
    "apple": ("apple", "apple.com", "oauth_apple"),
}
"""The names in exports of other services. Subjects of these are the same for every client, at Apple for every client of
one team; those of others are not, so the operator has to say it."""


@dataclass(frozen=True, slots=True)
class AppleKey:
    """The key with which each client secret for Apple is signed."""

    team_id: str
    key_id: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider, as the operator declares it.

    `trusts_email` says whether its word for an address counts as proof, for all addresses or those of `email_domains`.
    """

    id: str
    kind: Kind
    name: str
    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ()
    trusts_email: bool = False
    email_domains: frozenset[str] = frozenset()
    link: Link = "ask"
    allows_signup: bool = True
    apple_key: AppleKey | None = None
    imported_as: frozenset[str] = frozenset()
    """What imported users call it: what they had linked there is linked here at their first login."""

    def proves(self, email: str) -> bool:
        """Whether this provider's word for an address is proof."""
        domain = email.rpartition("@")[2].lower()
        return self.trusts_email and (not self.email_domains or domain in self.email_domains)


@dataclass(frozen=True, slots=True)
class Providers:
    """Those of the operator's file, by their identifiers, in its order."""

    by_id: Mapping[str, Provider]


@dataclass(frozen=True, slots=True)
class Claims:
    """Who the provider says that somebody is. `email_verified` is what it says; `Provider.proves` decides if it counts.

    `two_factors` is whether it says that they gave two.
    """

    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    name: str | None = None
    two_factors: bool = False

    @property
    def usable_email(self) -> str | None:
        """The address, if one could have it here."""
        return _valid(_EMAIL, self.email)

    @property
    def usable_name(self) -> str | None:
        """The name, if one could have it here."""
        return _valid(_NAME, self.name)


_EMAIL: Final = TypeAdapter[str](Email)
_NAME: Final = TypeAdapter[str](Name)


def _valid(rules: TypeAdapter[str], text: str | None) -> str | None:
    try:
        return None if text is None else rules.validate_python(text)
    except ValidationError:
        return None


class NotTrustedError(Exception):
    """The provider refused, or its answer proves nothing. The text says why, for the log, without anything secret."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What belongs to one flow: `state` goes through the provider, the others are known to this browser's flow only."""

    state: str
    nonce: str
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from a provider with a user. `posted_name` is what Apple says, once, and signs nothing of."""

    code: str = field(repr=False)
    issuer: str | None = None
    posted_name: str | None = None
