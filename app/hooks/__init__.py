"""Hooks: code of the operator that adds claims, refuses registrations, or learns of events; and what it may rely on.

A hook is a class, named in the setting HOOKS, with any of the methods of `AddsClaims`, `ChecksRegistrations` and
`LearnsOfEvents`; it need not inherit from them. It is made without arguments, before the workers are forked, and its
methods are called by many threads at once. docs/hooks.md has an example.

Only this module is for hooks: everything else in `app` may change with each version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = [
    "AddsClaims",
    "ChecksRegistrations",
    "Event",
    "LearnsOfEvents",
    "Refused",
    "Registration",
    "Session",
    "User",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user, as they are when a token is made."""

    id: str
    email: str | None
    email_verified: bool
    username: str | None
    name: str | None
    roles: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a token is made for: a session of the user, or the impersonation of an administrator who acts for them."""

    id: str
    kind: Literal["session", "impersonation"]
    began_at: datetime
    actor_id: str | None
    """The administrator, in an impersonation; else None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What someone registers with; never the password."""

    email: str | None
    username: str | None
    name: str | None
    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An audit event that was stored: what happened to a user, when, and from where."""

    id: str
    action: str
    user_id: str
    actor_id: str | None
    """Who did it, if that is another user."""
    at: datetime
    ip: str | None
    user_agent: str | None
    outcome: str
    """`success`, or `failure` for what was tried in vain."""
    details: Mapping[str, str]


class Refused(Exception):  # noqa: N818 - it is what the hook says, not an error
    """Raised by `check_registration`: the registration is refused, and the client reads the message."""


class AddsClaims(Protocol):
    """Adds claims to access tokens."""

    def add_claims(self, user: User, session: Session) -> Mapping[str, Any]:
        """The claims for an access token. If this fails, there is no token.

        Their names begin with `x_` or are https addresses, so that they never collide with registered ones (RFC 7519
        section 4.2). They are JSON, of 1,024 bytes at most.
        """


class ChecksRegistrations(Protocol):
    """Decides who may register."""

    def check_registration(self, registration: Registration) -> None:
        """Return to let them register, raise `Refused` to refuse. If this fails otherwise, nobody registers."""


class LearnsOfEvents(Protocol):
    """Reacts to what has happened."""

    def on_event(self, event: Event) -> None:
        """Called in the background, a moment after the event. If this fails, that is logged, and nothing else."""
