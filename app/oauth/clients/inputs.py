"""The bodies of requests about clients."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator

from app.oauth.catalogue.inputs import ResourceUri, ScopeName
from app.oauth.clients.model import OF_USERS, ClientFields, Workload
from app.oauth.clients.redirect_uris import check_redirect_uri, check_web_uri
from app.security.egress_urls import read_url
from app.security.key_sets import signing_keys
from app.web.input import Body, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_URIS: Final = 20
_MOST: Final = 100
_MOST_KEYS: Final = 10
_LONGEST_KEYS: Final = 8192
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
"""The members of a JSON Web Key that are secret (RFC 7518 section 6)."""
_YEARS: Final = 3650


def one_line(text: str) -> str:
    """A name for people; raises for control characters, and for what hides or turns others round."""
    if any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in text):
        raise wrong("invalid_name", "A name contains no control characters.")
    if not text.strip():
        raise wrong("too_short", "A name contains more than spaces.")
    return text.strip()


def redirect_uri(uri: str) -> str:
    """A redirect URI; raises for one that no client may have."""
    try:
        check_redirect_uri(uri)
    except ValueError as error:
        raise wrong("invalid_redirect_uri", "The URI {reason}.", reason=str(error)) from None
    return uri


def _page(uri: str) -> str:
    try:
        check_web_uri(uri)
    except ValueError as error:
        raise wrong("invalid_redirect_uri", "The URI {reason}.", reason=str(error)) from None
    return uri


def _receiver(url: str) -> str:
    # Where it leads is for the egress guard, which may have to ask for its addresses.
    try:
        read_url(url)
    except ValueError as error:
        raise wrong("refused_url", "The URL {reason}.", reason=str(error)) from None
    return url


def _distinct(found: list[str]) -> list[str]:
    return list(dict.fromkeys(found))


def _without_defaults(schema: dict[str, Any]) -> None:
    for declared in schema["properties"].values():
        declared.pop("default", None)


Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="What the consent page calls it: at most 100 characters in one line.",
        examples=["The shop"],
    ),
    AfterValidator(one_line),
]
RedirectUris = Annotated[
    list[Annotated[str, Field(max_length=1000), AfterValidator(redirect_uri)]],
    Field(
        max_length=MOST_URIS,
        description="Where codes may be sent, to the letter: https; http on 127.0.0.1, [::1] or localhost, with any"
        " port; or a scheme of an app, like com.example.app:/. Empty for what uses the device flow alone.",
        examples=[["https://shop.example.com/callback"]],
    ),
    AfterValidator(_distinct),
]
Pages = Annotated[
    list[Annotated[str, Field(max_length=1000), AfterValidator(_page)]],
    Field(
        max_length=MOST_URIS,
        description="Where users may be sent after a logout.",
        examples=[["https://shop.example.com/bye"]],
    ),
    AfterValidator(_distinct),
]
Scopes = Annotated[
    list[ScopeName],
    Field(
        max_length=_MOST,
        description="What it may ask for: standard scopes, and those of `/admin/scopes`. By default the standard"
        " ones, and none for a service.",
        examples=[["openid", "profile", "email"]],
    ),
    AfterValidator(_distinct),
]
Resources = Annotated[
    list[ResourceUri],
    Field(
        max_length=_MOST,
        description="The URIs of the resources that it may ask for; null, the default, for all of `/admin/resources`.",
        examples=[["https://files.example.com/"]],
    ),
    AfterValidator(_distinct),
]
SessionSeconds = Annotated[
    int,
    Field(
        ge=60,
        le=400 * 24 * 3600,
        description="How long its sessions live at most; null, the default, for as long as others do.",
        examples=[28800],
    ),
]
FirstParty = Annotated[
    bool,
    Field(
        description="Whether its users are not asked for consent, and its tokens act as a login's. This needs the"
        " permission clients:trust, too."
    ),
]
RequireSecondFactor = Annotated[bool, Field(description="Whether only users who proved a second factor get in.")]
BoundTokens = Annotated[
    bool,
    Field(
        description="Whether it gets access tokens that are bound to its key alone (DPoP, RFC 9449), and is refused"
        " without a proof. Others get them when they send a proof."
    ),
]
TokenExchange = Annotated[
    bool,
    Field(
        description="Whether it may exchange the tokens that it receives for ones of its own, for its own resources"
        " (RFC 8693). Not for public clients. This needs the permission clients:trust, too."
    ),
]
BackchannelLogoutUri = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        description="Where the end of its sessions is told (OpenID Connect Back-Channel Logout): an https URL at a"
        " public address; others only as EGRESS_ALLOW says.",
        examples=["https://shop.example.com/logged-out"],
    ),
    AfterValidator(_receiver),
]


class Jwks(Body):
    """The public keys of a client (RFC 7517)."""

    keys: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=_MOST_KEYS,
        description="Public keys for ES256, RS256, PS256 or EdDSA, as JSON Web Keys; none shall be private.",
        examples=[[{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]],
    )

    @field_validator("keys")
    @classmethod
    def _public_ones(cls, keys: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for number, entry in enumerate(keys, 1):
            if _PRIVATE & entry.keys():
                raise wrong("private_key", "Key {number} is a private one: from now on others know it.", number=number)
            if len(signing_keys({"keys": [entry]})) != 1:
                raise wrong("invalid_key", "Key {number} is no public key for signatures.", number=number)
        if len({entry.get("kid") for entry in keys}) != len(keys):
            raise wrong("invalid_key", "Each of several keys has a kid of its own.")
        if len(json.dumps(keys)) > _LONGEST_KEYS:
            raise wrong("too_long", "The keys have at most {most} characters.", most=_LONGEST_KEYS)
        return keys


class WorkloadBody(Body):
    """A program that proves by the tokens of its platform which one it is."""

    issuer: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_receiver)] = Field(
        description="The issuer (`iss`) of the tokens, to the letter. Its keys are found by OpenID Connect Discovery.",
        examples=["https://token.actions.githubusercontent.com"],
    )
    subject: str = Field(
        min_length=1,
        max_length=500,
        description="The subject (`sub`) of the tokens, to the letter.",
        examples=["repo:example/shop:ref:refs/heads/main"],
    )
    audience: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        default=None,
        description="The audience (`aud`) of the tokens; null, the default, for the PUBLIC_URL of this service.",
        examples=[None],
    )


JwksUri = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        description="Where the client publishes its keys, in place of `jwks`: an https URL at a public address; others"
        " only as EGRESS_ALLOW says.",
        examples=["https://shop.example.com/jwks.json"],
    ),
    AfterValidator(_receiver),
]
SigningKeys = Annotated[
    Jwks | None,
    Field(
        description="The keys that it signs its assertions with (private_key_jwt), in place of a secret.",
        examples=[None],
    ),
]
ByPlatform = Annotated[
    WorkloadBody | None,
    Field(description="What proves it by the tokens of its platform, in place of a secret.", examples=[None]),
]
_UNNAMED: Final = object()
"""Stands for redirect URIs that were left out: a service may do that."""


def _unnamed() -> Any:  # noqa: ANN401 - replaced before it is a value
    return _UNNAMED


class CreateClient(Body):
    """A new client."""

    name: Name
    kind: Literal["public", "confidential", "service"] = Field(
        description="`public` has no secret, as an app or a page; `confidential` keeps one on a server; `service` does,"
        " too, and acts for itself, without users.",
        examples=["confidential"],
    )
    redirect_uris: RedirectUris = Field(
        default_factory=_unnamed,
        validate_default=True,
        description="Needed for clients with users. Where codes may be sent, to the letter: https; http on 127.0.0.1,"
        " [::1] or localhost, with any port; or a scheme of an app, like com.example.app:/. Empty for what uses the"
        " device flow alone.",
    )
    post_logout_redirect_uris: Pages = Field(default_factory=list)
    scopes: Scopes | None = None
    resources: Resources | None = None
    first_party: FirstParty = False
    require_second_factor: RequireSecondFactor = False
    session_seconds: SessionSeconds | None = None
    backchannel_logout_uri: BackchannelLogoutUri | None = None
    dpop_bound_access_tokens: BoundTokens = False
    token_exchange: TokenExchange = False
    jwks: SigningKeys = None
    jwks_uri: JwksUri | None = None
    workload: ByPlatform = None

    @field_validator("redirect_uris", mode="before")
    @classmethod
    def _named_unless_a_service(cls, found: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - any JSON value
        if found is not _UNNAMED:
            return found
        if info.data.get("kind") != "service":
            raise wrong("required", "This field is required.")
        return []

    @field_validator(*OF_USERS)
    @classmethod
    def _as_its_kind(cls, found: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - the value of any of these fields
        of_service = info.data.get("kind") == "service"
        if found and of_service:
            raise wrong("not_for_services", "A service has no users, and so nothing that concerns them.")
        return found

    @property
    def said(self) -> ClientFields:
        """What is said of the client, as it is kept."""
        return ClientFields(**kept_of(self, type(self).model_fields))


class UpdateClient(Body):
    """What shall change of a client. A field that is left out does not change; `kind` never does."""

    # The defaults stand for "not given": what was given is in `model_fields_set`.
    model_config = ConfigDict(json_schema_extra=_without_defaults)

    name: Name = ""
    redirect_uris: RedirectUris = Field(default_factory=list)
    post_logout_redirect_uris: Pages = Field(default_factory=list)
    scopes: Scopes = Field(default_factory=list)
    resources: Resources | None = None
    first_party: FirstParty = False
    require_second_factor: RequireSecondFactor = False
    session_seconds: SessionSeconds | None = None
    backchannel_logout_uri: BackchannelLogoutUri | None = None
    dpop_bound_access_tokens: BoundTokens = False
    token_exchange: TokenExchange = False
    jwks: SigningKeys = None
    jwks_uri: JwksUri | None = None
    workload: ByPlatform = None

    @property
    def changes(self) -> dict[str, Any]:
        """What was given, as a client keeps it."""
        return kept_of(self, self.model_fields_set)


def kept_of(body: Body, names: Iterable[str]) -> dict[str, Any]:
    """These fields of a request, as a client keeps them."""
    return {name: _kept(getattr(body, name)) for name in names}


def _kept(given: Any) -> Any:  # noqa: ANN401 - the value of any field
    if isinstance(given, Jwks):
        return json.dumps(given.model_dump(), separators=(",", ":"))
    if isinstance(given, WorkloadBody):
        return Workload(given.issuer, given.subject, given.audience)
    return tuple(given) if isinstance(given, list) else given


class CreateSecret(Body):
    """Another secret of a client."""

    expires_in_days: int | None = Field(
        default=None,
        ge=1,
        le=_YEARS,
        description="How many days it lives; null, the default, for until it is deleted.",
        examples=[365],
    )
