"""Latchkey: the authentication service you can read, run and own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from app import clock as system

if TYPE_CHECKING:
    from flask import Flask

    from app.clock import Clock
    from app.config import Settings
    from app.models.store import Store

__version__ = "0.1.0"


def create_app(settings: Settings | None = None, *, clock: Clock = system.now, store: Store | None = None) -> Flask:
    """The application: reads top to bottom as the list of what it is made of. It opens nothing.

    Without `settings` they are read from the environment; a wrong one ends the process with a line that says so.
    `clock` and `store` are for tests.
    """
    from app import cli, config, log, wiring
    from app.controllers import ENDPOINTS, PAGES
    from app.web import endpoint, exchange, openapi, pages, problems
    from app.web.application import Application

    try:
        if settings is None:
            settings = config.load()
            log.configure(settings)
        wired = wiring.build(settings, clock=clock, store=store)
    except (config.ConfigurationError, wiring.StartError) as error:
        sys.exit(str(error))

    app = Application(__name__, settings)
    app.extensions["latchkey"] = wired
    app.extensions["openapi"] = openapi.Specification(ENDPOINTS, settings.server.public_url, __version__)

    app.extensions["site"] = pages.Site(settings, wired.input_rules)

    left_out = settings.profile == "production"
    served = tuple(declared for declared in (*ENDPOINTS, *PAGES) if not (left_out and declared.development_only))
    exchange.check_hosts(app, settings, frozenset(declared.shown for declared in served if declared.any_host))
    problems.install(app, settings, pages=pages.paths(PAGES))
    endpoint.install(app, served, wired.services, wired.input_rules)
    cli.install(app)
    return app
