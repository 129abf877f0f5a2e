"""What is kept of a user who came from another system, besides what every user has."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LinkedIdentity:
    """The user at a provider, as the other system had it linked."""

    provider: str
    subject: str


@dataclass(frozen=True, slots=True)
class SealedTotp:
    """A secret of an authenticator app, sealed for its user under the secret that `wrapped_by` names.

    Only a version from before there were second factors writes it; `app.factors.imported` takes it over.
    """

    wrapped_by: str
    sealed: str = field(repr=False)

    @property
    def is_confirmed(self) -> bool:
        """It was in use in the other system."""
        return True


@dataclass(frozen=True, slots=True)
class Imported:
    """Where the user came from: `id` is their identifier there, and `source` names the system."""

    id: str
    source: str
    identities: tuple[LinkedIdentity, ...] = ()
    totp: tuple[SealedTotp, ...] = ()
