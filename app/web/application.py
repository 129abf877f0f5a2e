"""Flask, adapted to this service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response
from werkzeug.routing import UnicodeConverter

from app.platform import deadline
from app.platform.instrumentation import NOBODY
from app.web import exchange

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from werkzeug.routing import Map

    from app.config import Settings
    from app.platform.instrumentation import Observer
    from app.web.endpoint import Endpoint


class _Name(UnicodeConverter):
    """A segment of a path, without NUL, which no name contains and which PostgreSQL refuses in a query.

    Nor is it `my`, which means the user's own objects where an identifier could stand ("/api/products/my").
    """

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map)
        self.regex = r"(?!my\Z)[^/\0]+"


class Application(Flask):
    """Serves no files of its own, redirects nothing, and answers OPTIONS without a body."""

    def __init__(
        self, import_name: str, settings: Settings, endpoints: Iterable[Endpoint], observer: Observer = NOBODY
    ) -> None:
        """`endpoints` are those that it will serve."""
        super().__init__(import_name, static_folder=None)
        probes = frozenset(declared.path for declared in endpoints if declared.probe)
        self._begin = exchange.begin_hook(settings, observer, probes)
        self._observer = observer
        self.testing = settings.profile == "testing"
        self.config["MAX_CONTENT_LENGTH"] = settings.server.max_body_bytes
        # A redirect would carry the Host header of the request.
        self.url_map.strict_slashes = False
        self.url_map.converters |= {"default": _Name, "string": _Name}
        self.url_map.merge_slashes = False

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, within its exchange."""
        begun = self._begin(environ, start_response)
        with deadline.begin(deadline.REQUEST_SECONDS), exchange.under_way(environ, self._observer):
            return super().wsgi_app(environ, begun)

    def make_default_options_response(self) -> Response:
        """204 with the methods of the path in `Allow`."""
        response = super().make_default_options_response()
        response.status_code = 204
        return response
