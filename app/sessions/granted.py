"""What a client was given for a user, by the user's consent or without asking: the session that it opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OFFLINE: Final = "offline_access"
"""The scope that a refresh token comes with (OpenID Connect Core section 11)."""


class NotAdmittedError(Exception):
    """A client does not get a session: something is missing that it cannot bring. The text says what."""


class OtherKeyError(Exception):
    """A refresh does not come with the key that the session is bound to."""


class NarrowingError(Exception):
    """A refresh asks for more than the session has: `what` is "scope" or "resource"."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Granted:
    """A session that a client is to have, and its identifier, which is known before it is opened.

    Without the scope OFFLINE nothing renews it, and it lives as long as its parent can, the page session `parent_id`
    that it ends with. With it, it lives within the limits of all sessions, and at most `seconds` if the client has a
    limit of its own.
    """

    session_id: str
    client_id: str
    first_party: bool
    scopes: tuple[str, ...]
    resources: tuple[str, ...] = ()
    parent_id: str | None = None
    seconds: int | None = None
    narrowed_to: tuple[str, ...] = ()
    """The resources that its first access token is for; () for all. A refresh may ask for the others."""
    bound_to: str | None = None
    """The thumbprint of the key that its first access token is bound to (RFC 9449)."""
    keeps_key: bool = True
    """Whether each refresh needs this key again: yes, unless the client authenticates itself."""
