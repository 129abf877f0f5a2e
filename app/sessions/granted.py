"""What a client was given for a user, by the user's consent or without asking, and what of it a token is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.platform.uris import as_written

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.sessions.model import Session

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


@dataclass(frozen=True, slots=True)
class Part:
    """What an access token is for, of all that its session has; where it says nothing, for all of that."""

    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    bound_to: str | None = None
    """The thumbprint of the key that the token is bound to (RFC 9449)."""


WHOLE: Final = Part()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks for at a refresh; nothing is all that its session has."""

    client_id: str
    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    bound_to: str | None = None
    """The thumbprint of the key that it has proven (RFC 9449), and that its token is bound to."""
    may_keep: Callable[[Session], bool] = lambda _: True
    """Whether the client may have still what its session was given."""

    def part_of(self, session: Session) -> Part:
        """What its token is for, with the resources as the session has them.

        Raises NarrowingError for more than the session has, and OtherKeyError without the key of the session.
        """
        if session.dpop_jkt not in {None, self.bound_to}:
            raise OtherKeyError
        if not set(self.scopes) <= set(session.granted_scopes):
            raise NarrowingError("scope")
        resources = [as_written(each, session.audiences) for each in self.resources]
        if None in resources:
            raise NarrowingError("resource")
        found = tuple(dict.fromkeys(uri for uri in resources if uri is not None))
        return Part(self.scopes, found, self.bound_to)
