"""What the parameters of an authorization request or a token request say: redirect URIs, scopes, resources.

Pure functions of the parameters, a client and the catalogue. What they refuse raises RefusedError, whose descriptions
never repeat what was sent.
"""

from __future__ import annotations

import re
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from app.oauth.clients.redirect_uris import check_redirect_uri, is_same_redirect
from app.oauth.refusal import RefusedError
from app.platform.uris import as_written
from app.security.digests import s256

if TYPE_CHECKING:
    from app.oauth.catalogue.service import CatalogueOf
    from app.oauth.clients.model import Client
    from app.web.parameters import Parameters

OPENID: Final = "openid"
STANDARD_SCOPES: Final = (OPENID, "profile", "email", "offline_access")
"""Those of OpenID Connect that there are here; the others are named by administrators."""
PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})
"""The values of `prompt` (OpenID Connect Core section 3.1.2.1)."""
_MOST_RESOURCES: Final = 8
_LONGEST_RESOURCES: Final = 1500
"""Characters of all resources of a request: they stand in each access token."""
_LONGEST_VALUE: Final = 2000
"""Characters of `state` and `nonce`, which are handed back."""
_DIGITS: Final = 9
"""The most of a number of seconds."""
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""RFC 7636 section 4.2: BASE64URL of a SHA-256, without padding."""
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def redirect_of(parameters: Parameters, client: Client) -> tuple[str, bool]:
    """The redirect URI of a request, and whether the request names it. Raises RefusedError, without a redirect."""
    sent = parameters.get("redirect_uri")
    if sent is None:
        if len(client.redirect_uris) == 1:
            return client.redirect_uris[0], False
        raise RefusedError(
            "invalid_request",
            "redirect_uri is required.",
            "redirect_uri_missing",
            f"The client has {len(client.redirect_uris)} of them, so the request has to name one.",
        )
    if not any(is_same_redirect(sent, registered) for registered in client.redirect_uris):
        raise _not_registered(_nearest(sent, client.redirect_uris))
    return sent, True


def check_redirect_form(parameters: Parameters) -> None:
    """Raises RefusedError, without a redirect, for a redirect URI that no client may have."""
    sent = parameters.get("redirect_uri")
    if sent is not None:
        try:
            check_redirect_uri(sent)
        except ValueError as error:
            raise _not_registered(f"The redirect_uri {error}.") from None


def _not_registered(detail: str) -> RefusedError:
    return RefusedError(
        "invalid_request",
        "redirect_uri is not registered for this client.",
        "redirect_uri_not_registered",
        detail,
    )


def _nearest(sent: str, registered: tuple[str, ...]) -> str:
    """The registered URI that begins most like the one sent, for people who look for the difference."""
    if not registered:
        return "The client has no redirect URI."

    def alike(uri: str) -> int:
        return next((place for place, (a, b) in enumerate(zip(uri, sent, strict=False)) if a != b), len(uri))

    return f"The nearest one that is registered is {max(registered, key=alike)}"


def scopes_of(
    parameters: Parameters,
    client: Client,
    catalogue: CatalogueOf,
    resources: tuple[str, ...],
    default: tuple[str, ...] = (OPENID,),
) -> tuple[str, ...]:
    """The scopes that a request asks for with these resources, each once; `default` if none. Raises RefusedError.

    Clients that nobody told a scope, as those of MCP, ask for all that discovery lists. Of these, the ones of other
    resources are left out, not refused.
    """
    asked = tuple(dict.fromkeys((parameters.get("scope") or "").split(" "))) if parameters.get("scope") else default
    asked = tuple(scope for scope in asked if scope)
    allowed, known = _allowed_scopes(client, catalogue, resources), {*STANDARD_SCOPES, *catalogue.scopes}
    of_these = {scope for scope in known if _is_of(scope, resources, catalogue)}
    if set(asked) >= known:
        asked = tuple(scope for scope in asked if scope not in known - (allowed & of_these) - {*STANDARD_SCOPES})
    for scope in asked:
        if scope not in allowed and scope not in default:
            raise RefusedError(
                "invalid_scope",
                "scope has one that does not exist, or that this client may not ask for.",
                "scope",
                "A scope of the request is not the client's."
                if scope in known
                else "A scope of the request does not exist.",
            )
        if scope not in of_these:
            raise RefusedError(
                "invalid_scope",
                "scope has one that none of these resources has.",
                "scope",
                "A scope of the request belongs to none of its resources.",
            )
    return asked


def scopes_within(
    scopes: tuple[str, ...], client: Client, catalogue: CatalogueOf, resources: tuple[str, ...]
) -> tuple[str, ...]:
    """Those of these scopes that a client may ask for with these resources."""
    allowed = _allowed_scopes(client, catalogue, resources)
    return tuple(scope for scope in scopes if scope in allowed and _is_of(scope, resources, catalogue))


def _allowed_scopes(client: Client, catalogue: CatalogueOf, resources: tuple[str, ...]) -> frozenset[str]:
    if client.scopes is not None:
        return frozenset(client.scopes) & frozenset((*STANDARD_SCOPES, *catalogue.scopes))
    return frozenset(STANDARD_SCOPES).union(*(_scopes_with(uri, catalogue) or () for uri in resources))


def _is_of(scope: str, resources: tuple[str, ...], catalogue: CatalogueOf) -> bool:
    """Whether a scope belongs to one of these resources; the standard ones do, and without resources all do."""
    if not resources or scope in STANDARD_SCOPES:
        return True
    return any(of is None or scope in of for of in (_scopes_with(uri, catalogue) for uri in resources))


def _scopes_with(uri: str, catalogue: CatalogueOf) -> tuple[str, ...] | None:
    """The scopes that may be asked for with this resource; None for all of its client, as with our own API."""
    found = catalogue.resources.get(uri)
    return None if found is None else found.scopes


def resources_of(parameters: Parameters, client: Client, catalogue: CatalogueOf, *, own: str) -> tuple[str, ...]:
    """The resources that a request asks for (RFC 8707), each once and as it is registered; () for our own API.

    Raises RefusedError.

    `own` is the audience of our own API, which every client has who asks for nothing: so it may ask for it, too.
    """
    sent = tuple(dict.fromkeys(parameters.all("resource")))
    if len(sent) > _MOST_RESOURCES or sum(map(len, sent)) > _LONGEST_RESOURCES:
        raise RefusedError(
            "invalid_target", "At most 8 resources, of 1,500 characters.", "resource", "Too many resources."
        )
    asked = []
    for each in sent:
        uri = as_written(each, (own, *catalogue.resources))
        if uri is not None:
            asked.append(uri)
        if uri == own:
            continue
        if uri is None:
            detail = "A resource of the request is not registered."
        elif client.resources is not None and uri not in client.resources:
            detail = "A resource of the request is not one of the client's."
        else:
            continue
        raise RefusedError("invalid_target", "resource has one that this client may not ask for.", "resource", detail)
    return tuple(dict.fromkeys(asked))


def narrowed_to(parameters: Parameters, granted: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the granted resources that this access token is for; () for all. Raises RefusedError."""
    asked = [as_written(each, granted) for each in parameters.all("resource")]
    found = tuple(dict.fromkeys(uri for uri in asked if uri is not None))
    if None in asked:
        raise RefusedError("invalid_target", "resource has one that was not granted.", "resource")
    return found


def challenge_of(parameters: Parameters) -> str:
    """The code challenge, which every client has to send, with S256 (OAuth 2.1 section 7.5). Raises RefusedError."""
    challenge = parameters.get("code_challenge")
    if challenge is None:
        raise RefusedError("invalid_request", "code_challenge is required (RFC 7636).", "no_code_challenge")
    if parameters.get("code_challenge_method") != "S256":
        raise RefusedError("invalid_request", "code_challenge_method has to be S256.", "code_challenge_method")
    if not _CHALLENGE.fullmatch(challenge):
        raise RefusedError("invalid_request", "code_challenge has to be 43 characters of base64url.", "code_challenge")
    return challenge


def key_of(parameters: Parameters) -> str | None:
    """The thumbprint of the key that the code is bound to (RFC 9449 section 10). Raises RefusedError."""
    key = parameters.get("dpop_jkt")
    if key is not None and not _CHALLENGE.fullmatch(key):
        raise RefusedError("invalid_request", "dpop_jkt has to be 43 characters of base64url.", "dpop_jkt")
    return key


def is_verifier(text: str) -> bool:
    """Whether a text has the form of a code verifier (RFC 7636 section 4.1)."""
    return _VERIFIER.fullmatch(text) is not None


def proves(verifier: str, challenge: str) -> bool:
    """Whether a verifier belongs to a challenge, by S256 (RFC 7636 section 4.6)."""
    return compare_digest(s256(verifier), challenge)


def prompts_of(parameters: Parameters) -> frozenset[str]:
    """What `prompt` asks for. Raises RefusedError."""
    prompts = frozenset((parameters.get("prompt") or "").split())
    if not prompts <= PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise RefusedError(
            "invalid_request",
            "prompt has to be none alone, or some of login, consent and select_account.",
            "prompt",
        )
    return prompts


def max_age_of(parameters: Parameters) -> int | None:
    """`max_age` in seconds. Raises RefusedError."""
    text = parameters.get("max_age")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise RefusedError("invalid_request", "max_age has to be a number of seconds.", "max_age")
    return int(text)


def short_value_of(parameters: Parameters, name: str) -> str | None:
    """A value that is kept for the client. Raises RefusedError if it is too long to keep."""
    value = parameters.get(name)
    if value is not None and len(value) > _LONGEST_VALUE:
        raise RefusedError("invalid_request", f"{name} is longer than 2,000 characters.", name)
    return value
