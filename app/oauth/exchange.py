"""Token exchange with delegation (RFC 8693): a client that received a user's token gets one of its own for it.

The new token is for other resources, says who acts for the user, and never gives more than the one it was given for: no
further scope, no longer life, and no other session, so that it ends with that. Nothing is stored or spent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.oauth.parameters import resources_of, scopes_of, scopes_within
from app.oauth.refusal import RefusedError
from app.sessions.granted import OFFLINE
from app.web.parameters import Parameters

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.audit.service import Audit
    from app.oauth.catalogue.service import Catalogue
    from app.oauth.clients.model import Client
    from app.oauth.tokens import IssuedToken, IssuedTokens
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.sessions.access_tokens import AccessTokens
    from app.sessions.claims import Claims

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - no secret
_JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
_OF_SUBJECTS: Final = frozenset({ACCESS_TOKEN, _JWT})
"""How an access token may be called that is sent here: all of ours are JWTs (section 3)."""
MOST_ACTORS: Final = 4
"""The longest chain of clients that act for a user, each by the leave of the next."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a client gets for the token of a user that it received: `subject`, whose client is `received_from`."""

    client: Client
    subject: Claims
    user: Principal
    received_from: str
    resources: tuple[str, ...]
    scopes: tuple[str, ...]
    actors: tuple[str, ...]
    lifetime: int
    bound_to: str | None
    """The thumbprint of the key that the client has proven (RFC 9449), and that its token is bound to."""


@dataclass(frozen=True, slots=True)
class IssuedByExchange:
    """An access token, which lives for `lifetime` seconds, and what it may be used for."""

    access_token: str = field(repr=False)
    lifetime: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Checks what clients ask for by the tokens that they received, and issues it."""

    tokens: IssuedTokens
    access_tokens: AccessTokens
    catalogue: Catalogue
    audit: Audit
    clock: Clock
    audience: str
    """That of our own API (JWT_AUDIENCE), for which no token is exchanged: so none acts on an account here."""

    def check(self, parameters: Parameters, client: Client, key: str | None = None) -> Exchange:
        """What this client, which may exchange tokens, gets. Nothing is written.

        `key` is the thumbprint of the key that the client has proven. A token that is bound to another is not
        exchanged: whoever received it has a proof that was for them alone, and proves nothing by it here.
        Raises RefusedError: of a token that is not accepted, or not the client's business, `invalid_request` (RFC 8693
        section 2.2.2), without a word about which of the two it is.
        """
        _check_types(parameters)
        subject = self._subject(parameters, client)
        self._check_actor(parameters, client)
        if subject.of_user is None:
            raise _void("It is that of a client that acts for itself.")
        claims, user = subject.of_user
        if claims.actor_id is not None:
            raise RefusedError(
                "invalid_request",
                "The token of an administrator who acts for a user is not exchanged.",
                "impersonation",
            )
        if claims.bound_to not in {None, key}:
            raise RefusedError(
                "invalid_request",
                "A token that is bound to a key is exchanged with a proof of that key alone.",
                "bound_subject",
            )
        resources = self._resources(parameters, client, subject)
        return Exchange(
            client,
            claims,
            user,
            subject.client_id,
            resources,
            self._scopes(parameters, client, subject, resources),
            _actors(claims, client),
            self._lifetime(claims),
            key,
        )

    def issue(self, exchange: Exchange, device: Device) -> IssuedByExchange:
        """The token. The user sees it among their events: once an hour for each client and its resources in a session,
        since a client may exchange a token for each request that it serves."""
        claims, user, client = exchange.subject, exchange.user, exchange.client
        token = self.access_tokens.issue(
            subject=claims.subject,
            session_id=claims.session_id,
            roles=user.user.roles,
            lifetime=exchange.lifetime,
            authentication=claims.authentication,
            audiences=exchange.resources,
            client_id=client.id,
            scope=" ".join(exchange.scopes) or None,
            actors=exchange.actors,
            bound_to=exchange.bound_to,
        )
        resources = " ".join(exchange.resources)
        self.audit.record_once(
            claims.subject,
            "token.exchanged",
            device,
            since=self.clock().replace(minute=0, second=0, microsecond=0),
            subject=f"{claims.session_id} {exchange.received_from} {client.id} {resources}",
            session_id=claims.session_id,
            client=client.id,
            received_from=exchange.received_from,
            resources=resources,
        )
        return IssuedByExchange(token, exchange.lifetime, exchange.scopes)

    def _subject(self, parameters: Parameters, client: Client) -> IssuedToken:
        found = self.tokens.access_token(parameters.get("subject_token") or "")
        if found is None:
            raise _void("It is no access token of this server, or is not accepted any more.")
        if not found.concerns(client):
            raise _void("Its audience is none of the resources on the list of this client.")
        return found

    def _check_actor(self, parameters: Parameters, client: Client) -> None:
        """Who acts is the client: a token of it that says so is taken, and no other."""
        sent = parameters.get("actor_token")
        if sent is None:
            return
        found = self.tokens.access_token(sent)
        if found is None or not found.is_of(client) or found.session_id is not None:
            detail = "The actor is the client itself: by its own client_credentials token, or by none."
            raise RefusedError(
                "invalid_request", "This actor_token is not valid for this client.", "actor_token", detail
            )

    def _resources(self, parameters: Parameters, client: Client, subject: IssuedToken) -> tuple[str, ...]:
        """Whom the token is for: `resource` and `audience` both name resources of the catalogue by their URIs."""
        named = (*parameters.all("resource"), *parameters.all("audience"))
        if not named:
            raise RefusedError("invalid_request", "resource or audience is required.", "resource")
        resources = resources_of(Parameters({"resource": named}), client, self.catalogue.load(), own=self.audience)
        if self.audience in resources:
            raise RefusedError("invalid_target", "No token is exchanged for one for this server.", "own_api")
        # What users let this client have, they let it have for the resources that they saw.
        if subject.is_of(client) and not subject.audiences.issuperset(resources):
            detail = "The token is this client's own, so it may only be narrowed."
            raise RefusedError("invalid_target", "resource has one that was not granted.", "resource", detail)
        return resources

    def _scopes(
        self, parameters: Parameters, client: Client, subject: IssuedToken, resources: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Those asked for, or else all that the token has and that this client may have there."""
        catalogue = self.catalogue.load()
        had = tuple(scope for scope in subject.scopes if scope != OFFLINE)  # there is never a refresh token
        if parameters.get("scope") is None:
            return scopes_within(had, client, catalogue, resources)
        asked = scopes_of(parameters, client, catalogue, resources, default=())
        if not set(asked) <= set(had):
            raise RefusedError("invalid_scope", "scope has one that the subject_token has not.", "scope")
        return asked

    def _lifetime(self, subject: Claims) -> int:
        left = int(subject.expires_at - self.clock().timestamp())
        if left <= 0:  # it is accepted for a moment longer, since clocks differ
            raise _void("It has expired.")
        return min(self.access_tokens.spread(self.access_tokens.lifetime), left)


def _check_types(parameters: Parameters) -> None:
    if parameters.get("requested_token_type") not in {None, ACCESS_TOKEN}:
        raise RefusedError("invalid_request", f"requested_token_type has to be {ACCESS_TOKEN}.", "requested_token_type")
    if parameters.get("subject_token") is None:
        raise RefusedError("invalid_request", "subject_token is required.", "subject_token")
    if parameters.get("subject_token_type") not in _OF_SUBJECTS:
        raise RefusedError("invalid_request", f"subject_token_type has to be {ACCESS_TOKEN}.", "subject_token_type")
    has_actor, actor_type = parameters.get("actor_token") is not None, parameters.get("actor_token_type")
    if has_actor and actor_type not in _OF_SUBJECTS:
        raise RefusedError("invalid_request", f"actor_token_type has to be {ACCESS_TOKEN}.", "actor_token_type")
    if not has_actor and actor_type is not None:
        raise RefusedError("invalid_request", "actor_token_type comes with an actor_token.", "actor_token_type")


def _actors(subject: Claims, client: Client) -> tuple[str, ...]:
    """The client, and who acted before it. Raises RefusedError if these are too many."""
    if subject.actors[:1] == (client.id,):  # it exchanges its own once more
        return subject.actors
    if len(subject.actors) >= MOST_ACTORS:
        raise RefusedError(
            "invalid_request", f"No more than {MOST_ACTORS} clients act for a user in turn.", "too_many_actors"
        )
    return (client.id, *subject.actors)


def _void(detail: str) -> RefusedError:
    return RefusedError("invalid_request", "This subject_token is not valid for this client.", "subject_token", detail)
