"""A sample: a count of visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.feature import Feature, Tag
from app.samples.visits import controller
from app.samples.visits.model import Visits
from app.samples.visits.service import VisitService
from app.store.redis import RedisServer

if TYPE_CHECKING:
    from app.platform.container import Container


def _visits(parts: Container) -> VisitService:
    """They are counted in Redis if there is one, else in the store."""
    redis = parts.find(RedisServer)
    if redis is None:
        return VisitService(parts.get(Visits))
    from app.samples.visits.redis import RedisVisits  # noqa: PLC0415 - its driver is loaded only if needed

    return VisitService(RedisVisits(redis))


FEATURE = Feature(
    tags=(Tag("visits", "Another sample: a count of visits.", (controller.count,)),),
    services={VisitService: _visits},
    repositories=(Visits,),
    sample=True,
)
