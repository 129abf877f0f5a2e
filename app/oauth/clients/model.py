"""Clients, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime  # noqa: TC003 - the codec reads the annotation
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, Literal, Protocol
from urllib.parse import urlsplit

from app.platform.identifiers import digest_of_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kind = Literal["public", "confidential", "service", "metadata"]
"""A `public` client has no secret: it runs where its users can read it. A `confidential` one keeps secrets on a server
of its own; a `service` does, too, and has no users: it acts for itself. A `metadata` client is described by a document
of its own (Client ID Metadata Document), and never stored here. A newer version may know others."""

SECRETS_AT_ONCE: Final = 2
"""Secrets that a client may have at a time: the second replaces the first without an interruption."""

OF_USERS: Final = (
    "redirect_uris",
    "post_logout_redirect_uris",
    "first_party",
    "require_second_factor",
    "session_seconds",
    "backchannel_logout_uri",
)
"""The fields that a service, which has no users, leaves empty."""
OF_SIGNERS: Final = ("jwks", "jwks_uri", "workload")
"""The fields of a client by which it authenticates itself without a secret."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A secret of a client. Only its digest is kept: SHA-256, in hexadecimal, since the secret has 256 random bits."""

    id: str
    digest: str = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it proves anything still."""
        return self.expires_at is None or self.expires_at > now


@dataclass(frozen=True, slots=True)
class Workload:
    """A program on a platform that proves by the platform's tokens which one it is: it needs no secret and no key."""

    issuer: str
    """Who signs the tokens: an issuer with metadata (OpenID Connect Discovery), as clusters of Kubernetes have it."""
    subject: str
    audience: str | None = None
    """Whom the tokens are for; None for this server, by its own issuer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFields:
    """What is said of a client: by an administrator, or by the client itself."""

    name: str
    kind: str
    redirect_uris: tuple[str, ...] = ()
    """None for a service, and for what uses the device flow alone."""
    post_logout_redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    """Those that it may ask for. None if it has no list of its own, as a metadata document: then the standard ones, and
    those of the resources asked for."""
    resources: tuple[str, ...] | None = None
    """The URIs of those that it may ask for. None if it has no list of its own: then all of the catalogue."""
    first_party: bool = False
    """Whether its users are not asked for their consent, and its tokens act as those of a login do."""
    require_second_factor: bool = False
    session_seconds: int | None = None
    """How long its sessions live; None for as long as others do."""
    backchannel_logout_uri: str | None = None
    dpop_bound_access_tokens: bool = False
    """Whether it gets access tokens that are bound to a key alone (RFC 9449 section 5.2)."""
    token_exchange: bool = False
    """Whether it may exchange the users' tokens that it receives for ones of its own (RFC 8693)."""
    jwks: str | None = None
    """The key set that it signs its assertions with (`private_key_jwt`), as JSON: public keys alone."""
    jwks_uri: str | None = None
    """Where it publishes that; it has one of the two, or neither."""
    workload: Workload | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client(ClientFields):
    """An application. `revision` is raised by each write.

    The OAuth endpoints alone read it. What an ordinary request needs to know stands in the session.
    """

    id: str
    """The `client_id`: a UUID, or the URL of a metadata document."""
    created_at: datetime
    secrets: tuple[ClientSecret, ...] = ()
    created_by: str | None = None
    """The administrator who made it; None for the operator, and for what registered itself."""
    registered_with: str | None = None
    """The initial access token that it registered itself with (`RegistrationToken.id`), else None."""
    revision: int = 0

    @classmethod
    def of(
        cls,
        said: ClientFields,
        client_id: str,
        created_at: datetime,
        *,
        created_by: str | None = None,
        registered_with: str | None = None,
    ) -> Client:
        """A new client, of which this is said; it has no secret."""
        known = {each.name: getattr(said, each.name) for each in fields(ClientFields)}
        return cls(**known, id=client_id, created_at=created_at, created_by=created_by, registered_with=registered_with)

    @property
    def has_secrets(self) -> bool:
        """Whether it authenticates itself, as RFC 6749 section 2.1 demands of a confidential client: by a secret, by a
        key of its own, or by its platform."""
        return self.kind in {"confidential", "service"}

    @property
    def signs(self) -> bool:
        """Whether it, or its platform, signs: then it needs no secret."""
        return self.jwks is not None or self.jwks_uri is not None or self.workload is not None

    @property
    def is_trusted(self) -> bool:
        """Whether it acts for users without asking them: of the first party, or by the tokens that it receives."""
        return self.first_party or self.token_exchange

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of its redirect URIs on the web: their scripts may read what the token endpoint replies."""
        return origins_of(self.redirect_uris)

    def still_grants(self, *, first_party: bool, scopes: Sequence[str], resources: Sequence[str]) -> bool:
        """Whether it may still have all that a code or a session of it was given, which it may have lost since."""
        return (
            (self.first_party or not first_party)
            and (self.scopes is None or set(scopes) <= set(self.scopes))
            and (self.resources is None or set(resources) <= set(self.resources))
        )

    def accepts(self, secret: str, now: datetime) -> bool:
        """Whether this is one of its secrets. The time tells nothing of which one, nor of how much of it is right."""
        sent, found = digest_of_token(secret), False
        for each in self.secrets:
            found |= compare_digest(sent, each.digest) and each.is_live(now)
        return found


def origins_of(redirect_uris: Iterable[str]) -> tuple[str, ...]:
    """The origins of those that are on the web, each once."""
    on_web = (parts for parts in map(urlsplit, redirect_uris) if parts.scheme in {"http", "https"})
    return tuple(dict.fromkeys(f"{parts.scheme}://{parts.netloc}" for parts in on_web))


class Clients(Protocol):
    """The operations of a store on clients. Each raises `Unavailable` when the store does not answer."""

    def add(self, client: Client) -> None:
        """Store a new client, whose identifier is new."""

    def find(self, client_id: str) -> Client | None:
        """The client of this identifier."""

    def page(self, *, after: str | None, limit: int) -> list[Client]:
        """Up to `limit` clients behind `after`, oldest first (by identifier)."""

    def save(self, client: Client) -> bool:
        """Replace the client whose revision is one less than that of `client`.

        One atomic conditional write: False, and nothing changed, if another write was faster, or the client is gone.
        """

    def remove(self, client_id: str) -> bool:
        """Delete a client; False if there is none, as for all but one of those who delete it at once."""

    def origins(self) -> frozenset[str]:
        """The origins of the redirect URIs of all clients."""

    def have_logout(self) -> bool:
        """Whether any client wants to be told of logouts."""
