"""Documents of clients that were fetched, and the operations of a store on them.

They spare fetching again, and nothing depends on them: what is not kept is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ClientDocument:
    """A document that was fetched and found in order; it is read by the present rules whenever it is used.

    `id` is the digest of its URL, 64 hexadecimal digits: a URL is too long for an index of MySQL.
    """

    id: str
    url: str
    """Where it lies, to the letter: the `client_id`."""
    document: str
    """As it was fetched: JSON, of at most 5 KiB."""
    fetched_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Described:
    """What is used of what a document says."""

    name: str | None
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]


class InvalidDocumentError(Exception):
    """It describes no client. The text names all that is wrong, in sentences, and repeats nothing of it."""


class Read(Protocol):
    """Reads documents."""

    def __call__(self, url: str, raw: bytes) -> Described:
        """What the document at this URL says. Raises InvalidDocumentError."""


def id_of(url: str) -> str:
    """Under which the document at this URL is kept."""
    return sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


class ClientDocuments(Protocol):
    """The operations of a store on them. Each raises `Unavailable` when the store does not answer."""

    def find(self, document_id: str, now: datetime) -> ClientDocument | None:
        """One that has not expired."""

    def keep(self, document: ClientDocument) -> None:
        """Keep it in place of the one of the same URL, unless that was fetched later.

        One atomic conditional write: of several that were fetched at once, the latest stays.
        """

    def remove(self, document_id: str) -> bool:
        """Delete one; False if there is none."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` whose `expires_at` has passed; returns how many."""
