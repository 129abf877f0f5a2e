"""A small application with endpoints of the tests, on the services of an instance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from app import config
from app.accounts.fields import InputRules
from app.features import PERMISSIONS, TAGS
from app.web import dispatch, exchange, pages, problems
from app.web.application import Application
from app.web.call import Shared
from app.web.cors import Cors
from app.web.openapi import Specification
from app.web.rates import Rates
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.web.caller import Authenticator
    from app.web.endpoint import Endpoint
    from app.wiring import Wired


def serving(
    *endpoints: Endpoint,
    wired: Wired | None = None,
    authenticators: tuple[Authenticator[Any], ...] | None = None,
    page_authenticator: Authenticator[Any] | None = None,
    registered: Callable[[str], bool] = lambda _origin: False,
    **settings: str,
) -> Application:
    """An application of these endpoints; without `wired` it can have none. `authenticators` replace the service's."""
    made = config.load(SETTINGS | settings, dotenv=None)
    shared_at = [declared.path for declared in endpoints if declared.origins]
    cors = Cors(made.browsers.cors_origins, shared_at, registered)
    app = Application("app", made, endpoints, cors=cors)
    cors.install(app)
    exchange.check_hosts(app, made, frozenset(declared.shown for declared in endpoints if declared.any_host))
    of_pages = pages.paths(declared for declared in endpoints if declared.access.cookie)
    problems.install(app, made, pages=of_pages, rfc={each.path: each.rfc for each in endpoints if each.rfc})
    if wired is not None:
        shared = Shared(
            settings=made,
            parts=wired.parts,
            authenticators=wired.authenticators if authenticators is None else authenticators,
            page_authenticator=page_authenticator,
            permissions=PERMISSIONS,
            input_context=wired.get(InputRules),
            rates=wired.get(Rates),
            specification=Specification(endpoints, TAGS, made.server.public_url, "1"),
        )
        dispatch.install(app, endpoints, shared)
    return app


def document(*endpoints: Endpoint) -> dict[str, Any]:
    """The OpenAPI document of these endpoints."""
    made: dict[str, Any] = json.loads(Specification(endpoints, TAGS, "https://auth.example.com", "1.2.3").json())
    return made
