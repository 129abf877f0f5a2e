"""The scopes and resources that clients may ask for: one document with a version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

STANDARD: Final = {
    "openid": "Know which account you use here.",
    "profile": "See your name and your user name.",
    "email": "See your e-mail address.",
    "offline_access": "Stay connected while you are away.",
}
"""The scopes of OpenID Connect that exist without being named, and what the consent page says of each."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope; `description` says on the consent page what it permits."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Resource:
    """An API whose tokens are issued here: `uri` is their audience (RFC 8707), `name` what people call it."""

    uri: str
    name: str
    scopes: tuple[str, ...] | None = None
    """The scopes that may be asked for with it; None for all of its client."""


@dataclass(frozen=True, slots=True)
class CatalogueBook:
    """All that administrators named: one document with a version (0 before the first write)."""

    version: int = 0
    scopes: tuple[Scope, ...] = ()
    resources: tuple[Resource, ...] = ()


class CatalogueBooks(Protocol):
    """The operations of a store on the catalogue. Each raises `Unavailable` when the store does not answer."""

    def load(self) -> CatalogueBook:
        """The catalogue, as it is."""

    def save(self, book: CatalogueBook) -> bool:
        """Replace the book whose version is one less than that of `book`.

        One atomic conditional write: False, and nothing changed, if another write was faster.
        """
