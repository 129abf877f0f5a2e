"""Background work: jobs, each done by one worker of all instances."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.feature import ExpiringRepositories, Feature, Job
from app.jobs.expiry import ExpiryService
from app.jobs.model import Leases

if TYPE_CHECKING:
    from app.platform.container import Container


def _expiry(parts: Container) -> ExpiryService:
    return ExpiryService(parts.get(ExpiringRepositories).repositories, parts.clock)


FEATURE = Feature(
    services={ExpiryService: _expiry},
    repositories=(Leases,),
    jobs=(lambda parts: Job("purge", timedelta(hours=1), parts.get(ExpiryService).delete_expired),),
)
