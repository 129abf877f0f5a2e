"""Sessions as JSON."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING

from pydantic import Field

from app.devices import device_name
from app.views.base import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.models.session import Session


class SessionView(View):
    """A session, as its user sees it."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    current: bool = Field(examples=[True], description="Whether this is the session of the request.")
    device: str = Field(examples=["Firefox on Linux"])
    ip: str = Field(description="The address that last refreshed it.", examples=["203.0.113.7"])
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    last_used_at: datetime = Field(examples=["2026-01-31T12:05:00.000000Z"], description="Accurate to the minute.")
    expires_at: datetime = Field(
        examples=["2026-03-02T12:00:00.000000Z"], description="When it ends unless it is refreshed before."
    )

    @classmethod
    def of(cls, session: Session, current: str) -> SessionView:
        """The view of a session; `current` is the session of the request."""
        return cls(
            id=session.id,
            current=session.id == current,
            device=device_name(session.user_agent),
            ip=session.ip,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=min(session.idle_expires_at, session.expires_at),
        )


class SessionList(View):
    """The active sessions of a user."""

    sessions: list[SessionView]
    next: str | None = Field(default=None, examples=[None], description="Always null: a user has few sessions.")

    @classmethod
    def of(cls, sessions: Sequence[Session], current: str) -> SessionList:
        """The data of a reply with these sessions; `current` is the session of the request."""
        return cls(sessions=[SessionView.of(session, current) for session in sessions])
