"""The events that webhooks are told: what they are, which audit actions cause them, and what their bodies say.

This is the one table of them. The AsyncAPI document is made from it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.accounts.model import User
    from app.accounts.publisher import Change

ActorKind = Literal["user", "administrator", "system"]
Scope = Literal["one", "others", "all"]
_TRAITS: Final = ("email", "email_verified", "username", "name", "status")
"""What of a user `user.updated` reports as changed."""
_AN_ID: Final = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"


def _is_none(value: object) -> bool:
    return value is None


class Model(BaseModel):
    """An object in the body of an event."""

    model_config = ConfigDict(frozen=True)


class Actor(Model):
    """Who did it."""

    kind: ActorKind = Field(
        description="`user`: the user themselves. `administrator`: another user, or one who acts for them."
        " `system`: the service, or a command of its operator."
    )
    id: str | None = Field(default=None, exclude_if=_is_none, description="The identifier of the administrator.")


class UserId(Model):
    """The user that an event is about."""

    id: str = Field(examples=[_AN_ID])


class EventUser(UserId):
    """The user that an event is about, as administrators see them, right after the change."""

    email: str | None = Field(examples=["ann@example.com"])
    email_verified: bool
    username: str | None = Field(examples=["ann"])
    name: str | None = Field(examples=["Ann Example"])
    status: str = Field(description="`active`, `disabled` or `invited`.", examples=["active"])
    roles: list[str] = Field(examples=[["member"]])

    @classmethod
    def of(cls, user: User) -> EventUser:
        """The view of a user."""
        return cls(
            id=user.id,
            email=user.email,
            email_verified=user.email_verified,
            username=user.username,
            name=user.name,
            status=user.status,
            roles=list(user.roles),
        )


class Data(Model):
    """What every event about a user says."""

    version: int = Field(
        description="Rises with each change of the user. Events may arrive late and in any order: one with a lower"
        " version than another of the same user is older."
    )
    actor: Actor


class AboutUserId(Data):
    """An event that names the user only by their identifier."""

    user: UserId


class AboutUser(Data):
    """An event that shows the user."""

    user: EventUser


class UserUpdated(AboutUser):
    """What changed of a user."""

    fields: list[str] = Field(description=f"Which changed: {', '.join(f'`{name}`' for name in _TRAITS)}.")


class SessionRevoked(AboutUserId):
    """Which sessions ended."""

    scope: Scope = Field(description="`one`: `session`. `all`: all of the user. `others`: all but `session`.")
    session: str | None = Field(
        default=None,
        exclude_if=_is_none,
        description="The one that ended or, for `others`, that goes on; the `sid` of its access tokens.",
    )


class RoleChanged(AboutUserId):
    """Which roles a user got and lost."""

    added: list[str]
    removed: list[str]
    roles: list[str] = Field(description="All roles of the user now.")


class ApiKeyId(Model):
    """An API key."""

    id: str


class AboutApiKey(AboutUserId):
    """An API key of a user."""

    api_key: ApiKeyId


class WebhookTest(Model):
    """A test of the webhook itself."""

    webhook: UserId = Field(description="The webhook.")


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of event, what it means, and what its `data` holds."""

    name: str
    text: str
    data: type[Model]


TEST: Final = EventType("webhook.test", "An administrator tests the webhook. It is not subscribed to.", WebhookTest)
DELETED: Final = "user.deleted"
EVENTS: Final[Mapping[str, EventType]] = {
    event.name: event
    for event in (
        EventType("user.created", "A user registered, or was created, invited or imported.", AboutUser),
        EventType("user.updated", "The address, its proof, a name or the status of a user changed.", UserUpdated),
        EventType("user.verified", "A user proved their e-mail address.", AboutUser),
        EventType("user.disabled", "A user was disabled; all their sessions ended.", AboutUserId),
        EventType("user.enabled", "A disabled user was enabled.", AboutUserId),
        EventType(DELETED, "A user was deleted, and everything that belonged to them.", AboutUserId),
        EventType("user.restored", "The owner of a former address took a deleted account back.", AboutUser),
        EventType("email.changed", "A user has another e-mail address, or lost theirs to who proved it.", AboutUser),
        EventType("password.changed", "A password was changed, reset or made void.", AboutUserId),
        EventType("session.revoked", "Sessions of a user ended before their time.", SessionRevoked),
        EventType("role.changed", "A user got or lost roles.", RoleChanged),
        EventType("api_key.created", "A user has a new API key.", AboutApiKey),
        EventType("api_key.deleted", "An API key ended.", AboutApiKey),
    )
}
"""The events that webhooks subscribe to, by name."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What an audit action is told as. `alone` is who did it if no caller is known; `scope`, which sessions ended."""

    events: tuple[str, ...]
    alone: ActorKind = "user"
    scope: Scope = "all"


CAUSES: Final[Mapping[str, Cause]] = {
    "user.registered": Cause(("user.created",)),
    "user.created": Cause(("user.created",), "system"),
    "user.invited": Cause(("user.created",), "system"),
    "user.accepted": Cause(("user.verified", "user.updated")),
    "user.updated": Cause(("email.changed", "user.verified", "user.updated"), "system"),
    "user.disabled": Cause(("user.disabled", "session.revoked", "user.updated"), "system"),
    "user.enabled": Cause(("user.enabled", "user.updated"), "system"),
    "user.deleted": Cause((DELETED,)),
    "user.disowned": Cause((DELETED,)),
    "user.logged_out": Cause(("session.revoked",), "system"),
    "username.changed": Cause(("user.updated",)),
    "name.changed": Cause(("user.updated",)),
    "email.verified": Cause(("user.verified", "user.updated")),
    "email.changed": Cause(("email.changed", "user.verified", "user.updated")),
    "email.lost": Cause(("email.changed", "user.updated"), "system"),
    "email.undone": Cause(("user.restored", "email.changed", "password.changed", "session.revoked", "user.updated")),
    "password.changed": Cause(("password.changed", "session.revoked"), scope="others"),
    "password.reset": Cause(("password.changed", "session.revoked", "user.verified", "user.updated")),
    "factors.recovered": Cause(("session.revoked",), "system"),
    "identity.took_over": Cause(("password.changed", "session.revoked", "user.verified", "user.updated")),
    "identity.unlinked": Cause(("session.revoked",), scope="others"),
    "sessions.ended_others": Cause(("session.revoked",), scope="others"),
    "sessions.ended_all": Cause(("session.revoked",)),
    "session.ended": Cause(("session.revoked",), scope="one"),
    "session.reused": Cause(("session.revoked",), "system", scope="one"),
    "roles.changed": Cause(("role.changed",), "system"),
    "api_key.created": Cause(("api_key.created",)),
    "api_key.deleted": Cause(("api_key.deleted",)),
    "api_key.leaked": Cause(("api_key.deleted",), "system"),
}
"""Which events each audit action causes; one whose data would say that nothing changed is left out."""


def body(event: str, data: Mapping[str, Any], at: datetime) -> str:
    """The body of an event: what is signed and posted, to the byte. It is ASCII, so no store can change it."""
    stamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": event, "timestamp": stamp, "data": data}, separators=(",", ":"))


def data_of(event: str, cause: Cause, change: Change) -> dict[str, Any] | None:
    """What an event says about a change; None if there is nothing to say."""
    before, after = change.before.user if change.before else None, change.after.user
    facts = _Facts.of(before, after)
    if not facts.tell(event):
        return None
    model = EVENTS[event].data
    shown = EventUser.of(after) if issubclass(model, AboutUser) else UserId(id=after.id)
    session = change.after.kept_session if cause.scope == "others" else change.details.get("session_id")
    said = model(
        version=0 if before is None else change.after.revision + 1,
        actor=_actor(cause, change),
        user=shown,
        # A model takes what it has a field for.
        fields=facts.fields,
        added=facts.added,
        removed=facts.removed,
        roles=list(after.roles),
        scope=cause.scope,
        session=session,
        api_key=ApiKeyId(id=change.details.get("key", "")),
    )
    return said.model_dump()


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is different about a user behind a change."""

    fields: list[str]
    added: list[str]
    removed: list[str]
    is_restored: bool
    is_proved: bool

    @classmethod
    def of(cls, before: User | None, after: User) -> _Facts:
        had = set(before.roles) if before else set()
        fields = [name for name in _TRAITS if before is None or getattr(before, name) != getattr(after, name)]
        return cls(
            fields,
            sorted(set(after.roles) - had),
            sorted(had - set(after.roles)),
            is_restored=before is not None and before.status == "deleted",
            is_proved=after.email_verified and not {"email", "email_verified"}.isdisjoint(fields),
        )

    def tell(self, event: str) -> bool:
        """Whether they give reason for this event."""
        reasons = {
            "user.restored": self.is_restored,
            "user.updated": bool(self.fields),
            "user.verified": self.is_proved,
            "email.changed": "email" in self.fields,
            "role.changed": bool(self.added or self.removed),
        }
        return reasons.get(event, True)


def _actor(cause: Cause, change: Change) -> Actor:
    by = change.by
    if by is None:
        return Actor(kind=cause.alone)
    actor_id = by.actor_on(change.after.user.id)
    return Actor(kind="user") if actor_id is None else Actor(kind="administrator", id=actor_id)
