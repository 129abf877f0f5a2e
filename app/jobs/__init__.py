"""Background work: jobs, each done by one worker of all instances, and the thread that sends mail."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.feature import ExpiringRepositories, Feature, Job
from app.jobs.expiry import PurgeService
from app.jobs.model import Leases

if TYPE_CHECKING:
    from app.platform.container import Container


def _expiry(parts: Container) -> PurgeService:
    return PurgeService(parts.get(ExpiringRepositories).repositories, parts.clock)


FEATURE = Feature(
    services={PurgeService: _expiry},
    repositories=(Leases,),
    jobs=(lambda parts: Job("purge", timedelta(hours=1), parts.get(PurgeService).purge),),
)
