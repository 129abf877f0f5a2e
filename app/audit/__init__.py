"""Audit events: who did what, and when. Each is also a line of the log."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.audit.model import Events
from app.audit.service import Audit
from app.feature import Feature, Job
from app.hooks.calls import Hooks

if TYPE_CHECKING:
    from app.platform.container import Container


def _audit(parts: Container) -> Audit:
    kept = timedelta(days=parts.settings.accounts.audit_days)
    return Audit(parts.get(Events), parts.clock, kept, parts.find(Hooks))


FEATURE = Feature(
    services={Audit: _audit},
    repositories=(Events,),
    jobs=(lambda parts: Job("events", timedelta(hours=1), parts.get(Audit).gather),),
    erase=lambda parts: parts.get(Audit).erase,
    expires=(Events,),
    permissions=frozenset({"audit:read"}),
)
