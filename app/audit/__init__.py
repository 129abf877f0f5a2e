"""Audit events: who did what, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.audit import controller
from app.audit.model import Events
from app.audit.service import Audit
from app.feature import Feature, Tag

if TYPE_CHECKING:
    from app.platform.container import Container


def _audit(parts: Container) -> Audit:
    return Audit(parts.get(Events), parts.clock, timedelta(days=parts.settings.accounts.audit_days))


FEATURE = Feature(
    tags=(Tag("account", "", (controller.events,)),),
    services={Audit: _audit},
    repositories=(Events,),
    erase=lambda parts: parts.get(Audit).erase,
    exports=(controller.exported_events,),
    expires=(Events,),
    permissions=frozenset({"audit:read"}),
)
