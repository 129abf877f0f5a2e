"""Audit events: who did what, and when. Each is also a line of the log, and sealed in a chain that shows tampering."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.audit import cli, controller
from app.audit.chain.checkpoints import StatementKeys
from app.audit.chain.model import Checkpoints, Links
from app.audit.chain.sealing import Sealing
from app.audit.chain.verification import Verification
from app.audit.late_events import LateEvents
from app.audit.model import Events
from app.audit.service import Audit
from app.audit.signatures import Signer
from app.feature import Feature, Job, Tag
from app.hooks.calls import Hooks
from app.security.secret_keys import SecretKeys

if TYPE_CHECKING:
    from app.platform.container import Container


def _audit(parts: Container) -> Audit:
    kept = timedelta(days=parts.settings.accounts.audit_days)
    return Audit(parts.get(Events), parts.clock, kept, Signer(parts.get(SecretKeys)), parts.find(Hooks))


def _sealing(parts: Container) -> Sealing:
    links, checkpoints, signer = parts.get(Links), parts.get(Checkpoints), parts.get(Audit).signer
    return Sealing(links, checkpoints, signer, parts.get(StatementKeys), parts.clock)


def _verification(parts: Container) -> Verification:
    links, checkpoints, secrets = parts.get(Links), parts.get(Checkpoints), parts.get(SecretKeys)
    return Verification(links, checkpoints, secrets, parts.get(StatementKeys), parts.clock)


FEATURE = Feature(
    tags=(Tag("audit", "What happened to all accounts, for administrators.", (controller.search,)),),
    services={
        Audit: _audit,
        LateEvents: lambda parts: LateEvents(parts.get(Audit)),
        Sealing: _sealing,
        Verification: _verification,
    },
    repositories=(Events, Links, Checkpoints),
    jobs=(
        lambda parts: Job("events", timedelta(hours=1), parts.get(Audit).gather),
        lambda parts: Job("seal", timedelta(minutes=1), parts.get(Sealing).run),
    ),
    erase=lambda parts: parts.get(Audit).erase,
    # Events before their links: a link without its event is right once it has expired, but not the reverse.
    expires=(Events, Links),
    permissions=frozenset({"audit:read"}),
    commands=(cli.audit,),
)
