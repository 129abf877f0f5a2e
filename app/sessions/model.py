"""Sessions, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from app.accounts.authentication import Authentication

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from app.accounts.model import User
    from app.accounts.principal import Principal
    from app.audit.model import AuditEvent


@dataclass(frozen=True, slots=True)
class Session:
    """A login that is still in effect. Its refresh token is computed from `seed` (32 random bytes) and `generation`."""

    id: str
    user_id: str
    auth_epoch: int
    seed: bytes = field(repr=False)
    generation: int
    created_at: datetime
    last_used_at: datetime
    idle_expires_at: datetime
    expires_at: datetime
    ip: str
    user_agent: str
    rotated_at: datetime | None = None
    """When the present generation replaced the previous one; None in the first."""
    authenticated_at: datetime | None = None
    """When its user last proved who they are; None if a former version opened it: then it was at the opening."""
    amr: str | None = None
    """What they proved, as `app.accounts.authentication.Authentication.kept` has it; None if a former version opened
    it."""

    client_id: str | None = None
    """The client that it was opened for; None if the user logged in themselves."""
    first_party: bool | None = None
    """Whether that client acts as a login of the user does; None if there is none."""
    scopes: str | None = None
    """What the client may ask for, separated by spaces."""
    resources: str | None = None
    """The audiences of its tokens (RFC 8707), separated by spaces, which no URI contains; None for our own API."""
    parent_id: str | None = None
    """The session of the user that it ends with."""
    dpop_jkt: str | None = None
    """The thumbprint of the key that a refresh has to prove (RFC 9449); None if it needs none."""

    @property
    def granted_scopes(self) -> tuple[str, ...]:
        """What the client may ask for."""
        return tuple((self.scopes or "").split())

    @property
    def audiences(self) -> tuple[str, ...]:
        """Whom its tokens are for; empty for our own API."""
        return tuple((self.resources or "").split())

    @property
    def is_of_third_party(self) -> bool:
        """Whether it was opened for a client that does not act as a login of the user does."""
        return self.client_id is not None and not self.first_party

    @property
    def authentication(self) -> Authentication:
        """When and how its user proved who they are."""
        return Authentication.from_kept(self.authenticated_at or self.created_at, self.amr)


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A live session, together with its user and the version of the roles."""

    session: Session
    user: User
    roles_version: int = 0


class ClientNames(Protocol):
    """What the clients of sessions are called."""

    def names_of(self, client_ids: Collection[str]) -> Mapping[str, str]:
        """The names of these clients, by their identifiers; a client that there is no more has none."""


class Sessions(Protocol):
    """The operations of a store on sessions. Each raises `Unavailable` when the store does not answer."""

    def open(self, session: Session, events: Sequence[AuditEvent] = (), *, most: int | None = None) -> bool:
        """Store a new session and its events, and set its user's `last_login_at` to its `created_at`.

        False, and nothing is stored, if the user is not active or no longer in the epoch of the session, or if its
        parent has ended. If the user has more than `most` sessions of its client then (of none, for a login of their
        own), the surplus ends: first those that are not live, then those used least recently. Of logins at once the
        last one sees to that.

        In SQL it is one transaction, and the new session is never surplus. In MongoDB the session is stored first, so a
        crash leaves no event of a session that never was, but perhaps a session that nobody has tokens of.
        """

    def principal(self, session_id: str, user_id: str, now: datetime) -> Principal | None:
        """The user of a live session, with the version of the roles, in one round trip; None if there is no session.

        It is live if all of these are true: it is this user's and has not ended; `idle_expires_at` and `expires_at` are
        after `now`; the user is active; its epoch is the user's, or it was kept at the last change of epoch.
        """

    def find_live(self, session_id: str, now: datetime) -> LiveSession | None:
        """A live session (see `principal`), in one round trip."""

    def of_user(self, user_id: str, now: datetime) -> list[Session]:
        """The live sessions of a user (see `principal`), oldest first."""

    def rotate(self, session_id: str, generation: int, *, now: datetime, idle_expires_at: datetime, ip: str) -> bool:
        """Begin the next generation of a session that is still in `generation`; False if it has moved on or ended.

        One atomic conditional write: `rotated_at` and `last_used_at` become `now`.
        """

    def reauthenticate(self, session_id: str, *, at: datetime, amr: str) -> bool:
        """Set `authenticated_at` and `amr`; False if there is no such session."""

    def touch(self, session_id: str, now: datetime) -> None:
        """Record that a session was used; `last_used_at` never goes back."""

    def end(
        self, session_id: str, user_id: str, events: Sequence[AuditEvent] = (), *, heir_id: str | None = None
    ) -> bool:
        """End a session of this user, and store the events of its end with it.

        False, and no event is stored, if they have no such session or are deleted. The sessions below it (`parent_id`)
        end, too: also one that is opened at the same moment, unless `open` finds that its parent has ended. With the
        `heir_id` of another session of the user they go below that one instead, unless it has ended.

        It raises the revision of the user's account before it returns. So a change of the account that still found the
        session live is either saved already, or tried again (see `app.accounts.service.Accounts.change`).
        """

    def of_clients(self, user_id: str) -> list[Session]:
        """The sessions that clients have of a user, live or not, oldest first."""

    def end_of_grant(self, user_id: str, client_id: str) -> int:
        """End all sessions that a client has of a user; returns how many. It raises the revision as `end` does."""

    def end_some_of_client(
        self, client_id: str, limit: int, before: Callable[[Mapping[str, str]], None] | None = None
    ) -> int:
        """End up to `limit` sessions of a client, of whomever; returns how many. Revisions are raised as by `end`.

        `before` is called with those that are about to end, and the user of each, by their identifiers.
        """

    def end_some_of(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` sessions of a user, whether they are live or not; returns how many."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` sessions whose `idle_expires_at` or `expires_at` has passed; returns how many."""
