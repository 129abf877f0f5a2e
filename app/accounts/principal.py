"""Who a request acts for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from app.accounts.authentication import Authentication
    from app.accounts.model import User
    from app.accounts.under_way import Impersonation
    from app.web.caller import CallerKind


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts for: a user, through a session, an API key, or a login that is not finished."""

    user: User
    session_id: str
    """The session, the impersonation, or what stands for a login that is not finished
    (`app.sessions.pending_logins.model.PendingLogin.kept_as`); "" for an API key. No session has that identifier."""
    opened_at: datetime
    """When the session was opened, the impersonation begun, the API key made, or the first factor verified."""
    last_used_at: datetime
    """When the session or the API key was last recorded as used."""
    permissions: frozenset[str] = frozenset()
    """All that the caller may do: nothing, until the service that authenticates them says otherwise."""
    kind: CallerKind = "session"
    """How they came in."""
    impersonation: Impersonation | None = None
    """By whom the user is impersonated, and why; else None."""
    key_id: str | None = None
    """The API key, if this is one."""
    roles_version: int = 0
    """The version of the roles (`app.roles.model.RoleBook`) when the caller was authenticated."""
    authentication: Authentication | None = None
    """When and how the user of a session authenticated, as the access token says; None if it does not."""
    login_id: str | None = None
    """The pending login, if this is one."""
    client_id: str | None = None
    """The client whose session it is; None for a login of the user's own."""
    first_party: bool = False
    """Whether that client acts as a login of the user does."""
    scopes: tuple[str, ...] = ()
    """What the session of a client was granted."""
    bound_to: str | None = None
    """The thumbprint of the key that the access token is bound to (RFC 9449), and that the caller has proven."""

    @property
    def subject(self) -> str:
        """The identifier of the user."""
        return self.user.id

    @property
    def counted_as(self) -> str:
        """What a rate limit counts requests by: the session, the impersonation, or the API key."""
        return self.session_id or self.key_id or self.user.id

    @property
    def actor_id(self) -> str | None:
        """The administrator who acts for the user in an impersonation; else None."""
        return None if self.impersonation is None else self.impersonation.actor_id

    def with_permissions(self, permissions: frozenset[str], authentication: Authentication | None = None) -> Principal:
        """The same with these permissions, and what their token says of their authentication. Made on every request, so
        not by the slower `replace`. The client of a third party has none."""
        kind: CallerKind = self.kind
        if self.client_id is not None and not self.first_party:
            kind, permissions = "client", frozenset()
        if permissions == self.permissions and authentication is None and kind == self.kind:
            return self
        return Principal(
            self.user,
            self.session_id,
            self.opened_at,
            self.last_used_at,
            permissions,
            kind,
            self.impersonation,
            self.key_id,
            self.roles_version,
            authentication or self.authentication,
            self.login_id,
            self.client_id,
            self.first_party,
            self.scopes,
            self.bound_to,
        )

    def actor_on(self, user_id: str) -> str | None:
        """The user who is responsible for what this caller does to a user; None if that is this user."""
        responsible = self.actor_id or self.user.id
        return None if responsible == user_id else responsible
