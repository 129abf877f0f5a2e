"""Latchkey: the authentication service you can read, run and own. `create_app` puts the application together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from app.platform import clock as system
from app.platform.version import __version__

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Settings
    from app.platform.clock import Clock
    from app.store.store import Store

__all__ = ["__version__", "create_app"]


def create_app(settings: Settings | None = None, *, clock: Clock = system.now, store: Store | None = None) -> Flask:
    """The application: reads top to bottom as the list of what it is made of. It opens nothing.

    Without `settings` they are read from the environment; a wrong one ends the process with a line that says so.
    `clock` and `store` are for tests.
    """
    from app import commands, config, wiring
    from app.accounts.fields import InputRules
    from app.cli.common import APPLICATION
    from app.features import ENDPOINTS, PAGES, TAGS
    from app.platform import log
    from app.platform.failure import StartError
    from app.web import endpoint, exchange, openapi, pages, problems
    from app.web.application import Application

    try:
        if settings is None:
            settings = commands.load_settings()
            log.configure(settings)
        wired = wiring.build(settings, clock=clock, store=store)
    except (config.ConfigurationError, StartError) as error:
        if commands.looks_for_a_command():
            return commands.without_settings(str(error))
        sys.exit(str(error))

    rules = wired.get(InputRules)
    endpoints, pages_ = endpoint.served(ENDPOINTS, settings), endpoint.served(PAGES, settings)
    app = Application(__name__, settings, wired.observer)
    app.extensions[APPLICATION] = wired
    app.extensions["metrics"] = wired.metrics
    app.extensions["openapi"] = openapi.Specification(endpoints, TAGS, settings.server.public_url, __version__)

    app.extensions["site"] = pages.Site(settings, rules)

    exchange.check_hosts(app, settings, frozenset(declared.shown for declared in endpoints if declared.any_host))
    documents = pages.paths(ENDPOINTS) | {declared.path for declared in PAGES}
    problems.install(app, settings, pages=pages.paths(PAGES), documents=documents)
    endpoint.install(app, (*endpoints, *pages_), wired.parts, rules)
    commands.install(app)
    return app
