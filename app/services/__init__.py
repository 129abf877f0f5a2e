"""The rules of the service: no Flask, no database driver. `wiring` puts them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.services.audit import Audit
    from app.services.credentials import CredentialService
    from app.services.deletion import DeletionService
    from app.services.directory import DirectoryService
    from app.services.email_change import EmailChangeService
    from app.services.explain import ExplainService
    from app.services.health import HealthService
    from app.services.keys import Keys
    from app.services.login import LoginService
    from app.services.mailroom import Mailroom
    from app.services.profile import ProfileService
    from app.services.purge import PurgeService
    from app.services.registration import RegistrationService
    from app.services.reset import ResetService
    from app.services.sample_products import SampleProductService
    from app.services.sessions import SessionService
    from app.services.verification import VerificationService
    from app.services.visits import VisitService


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
