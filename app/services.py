"""The rules of the service: no Flask, no database driver. `wiring` puts them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.accounts.credentials import CredentialService
    from app.accounts.deletion import DeletionService
    from app.accounts.directory import DirectoryService
    from app.accounts.profile import ProfileService
    from app.accounts.registration import RegistrationService
    from app.audit.service import Audit
    from app.health.service import HealthService
    from app.jobs.expiry import PurgeService
    from app.keys.service import Keys
    from app.recovery.email_change import EmailChangeService
    from app.recovery.mailroom import Mailroom
    from app.recovery.reset import ResetService
    from app.recovery.verification import VerificationService
    from app.samples.products.service import SampleProductService
    from app.samples.visits.service import VisitService
    from app.sessions.explain import ExplainService
    from app.sessions.login import LoginService
    from app.sessions.service import SessionService


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an endpoint can use."""

    registration: RegistrationService
    login: LoginService
    sessions: SessionService
    verification: VerificationService
    credentials: CredentialService
    password_reset: ResetService
    email_change: EmailChangeService
    profile: ProfileService
    deletion: DeletionService
    audit: Audit
    mailroom: Mailroom
    directory: DirectoryService
    explain: ExplainService
    keys: Keys
    health: HealthService
    purge: PurgeService
    sample_products: SampleProductService
    visits: VisitService
