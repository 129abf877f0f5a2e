"""Latchkey: the authentication service you can read, run and own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from app.platform import clock as system
from app.platform.version import __version__

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Settings
    from app.dependencies import StartError
    from app.platform.clock import Clock
    from app.store.store import Store
    from app.wiring import Wired

__all__ = ["__version__", "create_app", "parts_of"]

_PARTS = "latchkey"


def create_app(settings: Settings | None = None, *, clock: Clock = system.now, store: Store | None = None) -> Flask:
    """The application: reads top to bottom as the list of what it is made of. It opens nothing.

    Without `settings` they are read from the environment; a wrong one ends the process with a line that says so.
    `clock` and `store` are for tests.
    """
    from app import cli, config, dependencies, wiring
    from app.features import ENDPOINTS, PAGES
    from app.platform import log
    from app.roles.permissions import PERMISSIONS
    from app.web import endpoint, exchange, openapi, pages, problems
    from app.web.application import Application
    from app.web.call import Shared

    try:
        if settings is None:
            settings = cli.load_settings()
            log.configure(settings)
        wired = wiring.build(settings, clock=clock, store=store)
    except (config.ConfigurationError, dependencies.StartError) as error:
        if cli.looks_for_a_command():
            commands = cli.without_settings()
            commands.extensions[_PARTS] = dependencies.StartError(str(error))
            return commands
        sys.exit(str(error))

    endpoints, pages_ = endpoint.served(ENDPOINTS, settings), endpoint.served(PAGES, settings)
    app = Application(__name__, settings, wired.observer)
    app.extensions[_PARTS] = wired
    shared = Shared(
        settings=settings,
        services=wired.services,
        authenticators=wired.authenticators,
        permissions=PERMISSIONS,
        input_context=wired.input_rules,
        specification=openapi.Specification(endpoints, settings.server.public_url, __version__),
    )

    exchange.check_hosts(app, settings, frozenset(declared.shown for declared in endpoints if declared.any_host))
    documents = pages.paths(ENDPOINTS) | {declared.path for declared in PAGES}
    problems.install(app, settings, pages=pages.paths(PAGES), documents=documents)
    endpoint.install(app, (*endpoints, *pages_), shared)
    cli.install(app)
    return app


def parts_of(app: Flask) -> Wired:
    """What an application is made of: for the commands, the hooks of gunicorn, and tests.

    Raises StartError if it could not be built, and only has commands (`cli.without_settings`).
    """
    parts: Wired | StartError = app.extensions[_PARTS]
    if isinstance(parts, Exception):
        raise parts
    return parts
