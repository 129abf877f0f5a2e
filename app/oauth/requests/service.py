"""Authorization requests: checked, and kept while their user logs in and consents."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from app.accounts.authentication import LEVELS
from app.oauth.cimd import names_document
from app.oauth.parameters import (
    challenge_of,
    check_redirect_form,
    key_of,
    max_age_of,
    prompts_of,
    redirect_of,
    resources_of,
    scopes_of,
    short_value_of,
)
from app.oauth.refusal import RefusedError
from app.oauth.requests.model import StoredRequest
from app.platform.identifiers import digest_of_token
from app.web.parameters import Parameters

if TYPE_CHECKING:
    from datetime import datetime

    from app.oauth.catalogue.service import Catalogue
    from app.oauth.clients.model import Client
    from app.oauth.id_tokens import IdTokens
    from app.oauth.registry import ClientRegistry
    from app.oauth.requests.model import StoredRequests
    from app.platform.clock import Clock

LIVES: Final = timedelta(minutes=30)
"""How long a request waits for its user."""
PUSHED_LIVES: Final = timedelta(seconds=90)
"""How long a pushed request waits for its browser (RFC 9126 section 2.2)."""
OWN_REQUEST: Final = "urn:latchkey:request:"
PUSHED_REQUEST: Final = "urn:ietf:params:oauth:request_uri:"
_SECRET_BYTES: Final = 32
_LONGEST: Final = 8000
"""Bytes of all parameters together: a request is kept as it was sent."""
_KEPT: Final = frozenset(
    {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "resource", "response_mode"),
        *("code_challenge", "code_challenge_method", "prompt", "max_age", "acr_values", "login_hint", "id_token_hint"),
        *("request", "registration", "dpop_jkt"),
    }
)
"""What means something here; the rest is ignored (RFC 6749 section 3.1), `ui_locales` and `claims` as well."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """An authorization request that is in order: what its client asks for, of whoever sits at the browser."""

    client: Client
    redirect_uri: str
    redirect_uri_sent: bool
    """Whether the request names it: it may leave it out if the client has but one."""
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    state: str | None
    nonce: str | None
    challenge: str
    prompts: frozenset[str]
    max_age: int | None
    acr: str | None
    """The first of `acr_values` that there is here."""
    login_hint: str | None
    hinted: str | None
    """The user whose ID token came with the request: nobody else may answer it."""
    asked_at: datetime
    bound_to: str | None = None
    """The thumbprint of the key that its code is bound to (RFC 9449 section 10)."""
    request: str | None = field(default=None, repr=False)
    """The secret under which it is kept; None if it is not."""
    pushed: bool = False
    parameters: Parameters = field(default_factory=lambda: Parameters({}), repr=False)
    """What was sent, as far as it means something."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequests:
    """Checks and keeps them."""

    registry: ClientRegistry
    catalogue: Catalogue
    kept: StoredRequests
    id_tokens: IdTokens
    clock: Clock
    issuer: str
    audience: str
    """That of our own API."""

    def check(self, parameters: Parameters) -> Authorization:
        """The request that these parameters make, sent with it or kept under `request_uri`. Raises RefusedError."""
        sent = parameters.get("request_uri")
        if sent is None:
            return self._checked(parameters, self.clock(), None, pushed=False)
        for form in (OWN_REQUEST, PUSHED_REQUEST):
            if sent.startswith(form):
                found = self.recall(sent.removeprefix(form))
                if found.pushed is (form == PUSHED_REQUEST) and found.client.id == parameters.get("client_id"):
                    return found
                raise _expired()
        kept = Parameters(_kept(parameters))
        redirect_uri, _ = redirect_of(kept, self._client(kept))
        unsupported = RefusedError("request_uri_not_supported", "request_uri is not one of this server.", "request_uri")
        raise unsupported.behind(redirect_uri, kept.get("state"))

    def remember(self, parameters: Parameters, client_id: str, *, pushed: bool = False) -> str:
        """Keep a request; returns the secret that stands for it."""
        secret, now = secrets.token_urlsafe(_SECRET_BYTES), self.clock()
        kept = _kept(parameters)
        lives = PUSHED_LIVES if pushed else LIVES
        self.kept.add(StoredRequest(digest_of_token(secret), client_id, kept, now, now + lives, pushed))
        return secret

    def push(self, parameters: Parameters, client: Client, key: str | None = None) -> str:
        """Keep a request that its client, which has authenticated itself, sent ahead of the browser (RFC 9126).

        `key` is the thumbprint of the key that it has proven, which its code is bound to then (RFC 9449 section 10.1).
        Returns the secret that stands for it. Raises RefusedError, of which the client itself is told.
        """
        if parameters.get("request_uri") is not None:
            raise RefusedError("invalid_request", "request_uri is what this endpoint gives.", "request_uri")
        named = Parameters({**parameters.values, "client_id": (client.id,)})
        if key is not None:
            if parameters.get("dpop_jkt") not in {None, key}:
                raise RefusedError("invalid_dpop_proof", "dpop_jkt is of another key than the proof.", "dpop_jkt")
            named = Parameters({**named.values, "dpop_jkt": (key,)})
        self.check(named)
        return self.remember(named, client.id, pushed=True)

    def recall(self, request: str) -> Authorization:
        """The request that is kept under this secret. Raises RefusedError."""
        found = self.kept.find(digest_of_token(request), self.clock())
        if found is None:
            raise _expired()
        return self._checked(Parameters(dict(found.parameters)), found.created_at, request, pushed=found.pushed)

    def keep(self, authorization: Authorization) -> str:
        """The secret under which the pages find this request; it is kept if it was not. Raises RefusedError.

        A pushed one is used up by it: of several browsers one gets it.
        """
        if authorization.request is not None and not authorization.pushed:
            return authorization.request
        kept = self.remember(authorization.parameters, authorization.client.id)
        self.take(authorization)
        return kept

    def url_of(self, authorization: Authorization) -> str:
        """Where the browser goes to have a kept request decided again."""
        kept = {"client_id": authorization.client.id, "request_uri": f"{OWN_REQUEST}{self.keep(authorization)}"}
        return f"{self.issuer}/oauth/authorize?{urlencode(kept)}"

    def take(self, authorization: Authorization) -> None:
        """Use up a request that is kept. Raises RefusedError if it was used, or has expired."""
        if authorization.request is not None and not self.kept.take(
            digest_of_token(authorization.request), self.clock()
        ):
            raise _expired()

    def _checked(
        self, parameters: Parameters, asked_at: datetime, request: str | None, *, pushed: bool
    ) -> Authorization:
        kept = Parameters(_kept(parameters))
        client = self._client(kept)
        redirect_uri, redirect_uri_sent = redirect_of(kept, client)
        state = kept.get("state")
        try:
            _check_form(kept)
            challenge, catalogue = challenge_of(kept), self.catalogue.load()
            resources = resources_of(kept, client, catalogue, own=self.audience)
            return Authorization(
                client=client,
                redirect_uri=redirect_uri,
                redirect_uri_sent=redirect_uri_sent,
                scopes=scopes_of(kept, client, catalogue, resources),
                resources=resources,
                state=short_value_of(kept, "state"),
                nonce=short_value_of(kept, "nonce"),
                challenge=challenge,
                prompts=prompts_of(kept),
                max_age=max_age_of(kept),
                acr=next((each for each in (kept.get("acr_values") or "").split() if each in LEVELS), None),
                login_hint=kept.get("login_hint"),
                hinted=self._hinted(kept, client),
                asked_at=asked_at,
                bound_to=key_of(kept),
                request=request,
                pushed=pushed,
                parameters=kept,
            )
        except RefusedError as refused:
            raise refused.behind(redirect_uri, state) from None

    def _hinted(self, parameters: Parameters, client: Client) -> str | None:
        """The user whom `id_token_hint` names: an ID token that this client got here, also one that has expired (OpenID
        Connect Core section 3.1.2.1). Raises RefusedError."""
        hint = parameters.get("id_token_hint")
        if hint is None:
            return None
        claims = self.id_tokens.read_hint(hint)
        if claims is None or claims["aud"] != client.id:
            raise RefusedError("invalid_request", "id_token_hint is no ID token of this client.", "id_token_hint")
        return str(claims["sub"])

    def _client(self, parameters: Parameters) -> Client:
        """The client of a request. Raises RefusedError, without a redirect."""
        client_id = parameters.get("client_id")
        if client_id is None:
            raise RefusedError("invalid_request", "client_id is required.", "client_id_missing")
        if (
            sum(len(value.encode("utf-8", "surrogatepass")) for each in parameters.values.values() for value in each)
            > _LONGEST
        ):
            raise RefusedError("invalid_request", "The request is longer than 8,000 bytes.", "too_long")
        if names_document(client_id):
            check_redirect_form(parameters)  # before anything is fetched for it
        client = self.registry.described(client_id)
        if client.kind == "service":
            detail = "A client of the kind `service` acts for itself: it has client_credentials alone."
            raise RefusedError("unauthorized_client", "This client has no users.", "client_kind", detail)
        return client


def _kept(parameters: Parameters) -> dict[str, tuple[str, ...]]:
    return {name: parameters.all(name) for name in sorted(_KEPT) if parameters.all(name)}


def _check_form(parameters: Parameters) -> None:
    """Raises RefusedError for what this server never does."""
    if parameters.get("request") is not None:
        raise RefusedError("request_not_supported", "request is not supported.", "request")
    if parameters.get("registration") is not None:
        raise RefusedError("registration_not_supported", "registration is not supported.", "registration")
    response_type = parameters.get("response_type")
    if response_type is None:
        raise RefusedError("invalid_request", "response_type is required: code.", "response_type")
    if response_type != "code":
        raise RefusedError("unsupported_response_type", "response_type has to be code.", "response_type")
    if (parameters.get("response_mode") or "query") != "query":
        raise RefusedError("invalid_request", "response_mode has to be query.", "response_mode")


def _expired() -> RefusedError:
    return RefusedError(
        "invalid_request",
        "This request has expired or was answered: go back to the application, and begin again.",
        "request_uri_expired",
    )
