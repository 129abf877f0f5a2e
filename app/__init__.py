"""Latchkey: the authentication service you can read, run and own. `create_app` puts the application together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from app.platform import clock as system
from app.platform.version import __version__

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Settings
    from app.platform.clock import Clock
    from app.store.store import Store
    from app.wiring import Wired

__all__ = ["__version__", "create_app", "wired_of"]


def create_app(settings: Settings | None = None, *, clock: Clock = system.now, store: Store | None = None) -> Flask:
    """The application: reads top to bottom as the list of what it is made of. It opens nothing.

    Without `settings` they are read from the environment; a wrong one ends the process with a line that says so.
    `clock` and `store` are for tests.
    """
    from app import commands, config, wiring
    from app.accounts.fields import InputRules
    from app.cli.common import EXTENSION
    from app.features import ENDPOINTS, PAGES, PERMISSIONS, PROTOCOLS, TAGS
    from app.platform import log
    from app.platform.failure import StartError
    from app.web import dispatch, endpoint, exchange, openapi, pages, problems
    from app.web.application import Application
    from app.web.call import Shared
    from app.web.cors import Cors
    from app.web.rates import Rates

    try:
        if settings is None:
            settings = commands.load_settings()
            log.configure(settings)
        wired = wiring.build(settings, clock=clock, store=store)
    except (config.ConfigurationError, StartError) as error:
        if commands.looks_for_a_command():
            helpless = commands.without_settings()
            helpless.extensions[EXTENSION] = StartError(str(error))
            return helpless
        sys.exit(str(error))

    endpoints, pages_ = endpoint.served(ENDPOINTS, settings), endpoint.served(PAGES, settings)
    protocols = endpoint.served(PROTOCOLS, settings)
    cors = Cors(
        settings.browsers.cors_origins,
        registered_at=(declared.path for declared in (*endpoints, *protocols) if declared.origins),
        registered=lambda origin: any(includes(origin) for includes in wired.registered_origins),
    )
    app = Application(__name__, settings, endpoints, wired.observer, cors)
    app.extensions[EXTENSION] = wired
    shared = Shared(
        settings=settings,
        parts=wired.parts,
        authenticators=wired.authenticators,
        page_authenticator=wired.page_authenticator,
        permissions=PERMISSIONS,
        input_context=wired.get(InputRules),
        rates=wired.get(Rates),
        specification=openapi.Specification(endpoints, TAGS, settings.server.public_url, __version__),
    )

    exchange.check_hosts(app, settings, frozenset(declared.shown for declared in endpoints if declared.any_host))
    cors.install(app)
    documents = pages.paths(ENDPOINTS) | {declared.path for declared in PAGES}
    rfc = {declared.path: declared.rfc for declared in protocols if declared.rfc}
    problems.install(app, settings, pages=pages.paths((*PAGES, *PROTOCOLS)), documents=documents, rfc=rfc)
    dispatch.install(app, (*endpoints, *pages_, *protocols), shared)
    commands.install(app)
    return app


def wired_of(app: Flask) -> Wired:
    """What an application is made of: for the commands, the hooks of gunicorn, and tests.

    Raises StartError if it could not be built, and only has commands (`commands.without_settings`).
    """
    from app.cli.common import running_in

    return cast("Wired", running_in(app))
