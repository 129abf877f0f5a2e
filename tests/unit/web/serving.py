"""A small application with endpoints of the tests, on the services of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import config
from app.accounts.fields import InputRules
from app.web import endpoint, exchange, problems
from app.web.application import Application
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from app.web.endpoint import Endpoint
    from app.wiring import Wired


def serving(*endpoints: Endpoint, wired: Wired | None = None, **settings: str) -> Application:
    """An application of these endpoints; without `wired` it can have none."""
    made = config.load(SETTINGS | settings, dotenv=None)
    app = Application("app", made)
    exchange.check_hosts(app, made, frozenset(declared.shown for declared in endpoints if declared.any_host))
    problems.install(app, made)
    if wired is not None:
        endpoint.install(app, endpoints, wired.parts, wired.get(InputRules))
    return app
