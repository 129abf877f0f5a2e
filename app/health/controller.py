"""Signs of life, for people, load balancers and orchestrators."""

from __future__ import annotations

from app.health.service import HealthService
from app.health.views import Health, Ping
from app.platform import clock
from app.platform.errors import Unavailable
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public


@endpoint("GET /health", access=public, operation="getHealth", any_host=True, probe=True, returns=Health)
def health(_call: Call) -> Health:
    """The service answers. No dependency is checked."""
    return _health("OK")


@endpoint("GET /auth/health", access=public, operation="getAuthHealth", any_host=True, probe=True, returns=Health)
def auth_health(_call: Call) -> Health:
    """The same as `GET /health`."""
    return _health("OK")


@endpoint("GET /health/live", access=public, operation="getLiveness", any_host=True, probe=True, returns=Health)
def live(_call: Call) -> Health:
    """The process answers. No dependency is touched. An orchestrator restarts an instance that does not answer."""
    return _health("live")


@endpoint(
    "GET /health/ready",
    access=public,
    operation="getReadiness",
    any_host=True,
    probe=True,
    returns=Health,
    raises=(Unavailable,),
)
def ready(call: Call) -> Health:
    """The store answers, so this instance can take requests. Otherwise 503 names the failing dependency within 2 s."""
    call.get(HealthService).check_ready()
    return _health("ready")


@endpoint("GET /api/ping", access=public, any_host=True, returns=Ping)
def ping(_call: Call) -> Ping:
    """The shortest sign of life."""
    return Ping()


def _health(message: str) -> Health:
    return Health(message=message, timestamp=clock.now())
