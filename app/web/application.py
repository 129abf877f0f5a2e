"""Flask, adapted to this service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter, PathConverter, Rule, UnicodeConverter

from app.platform import client, deadline
from app.platform.instrumentation import NOBODY
from app.web import exchange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Request
    from werkzeug.routing import BaseConverter, Map

    from app.config import Settings
    from app.platform.instrumentation import Observer
    from app.web.cors import Cors
    from app.web.endpoint import Endpoint

_T = TypeVar("_T")
_PLAIN_HOST = re.compile(r"[0-9A-Za-z_-]{1,63}(\.[0-9A-Za-z_-]{1,63})*(:[0-9]{1,5})?")
"""Of a Host header in this form, IDNA leaves everything as it is."""


class _Name(UnicodeConverter):
    """A segment of a path, without NUL, which no name contains and which PostgreSQL refuses in a query."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map)
        self.regex = r"[^/\0]+"


class _Identifier(UnicodeConverter):
    """Such a segment, but no word that means something else where an identifier could stand ("/api/products/my")."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map)
        self.regex = r"(?!(?:my|leaked|explain)\Z)[^/\0]+"


class _Path(PathConverter):
    """The rest of a path, slashes and all, such as a URI: without NUL, too."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map)
        self.regex = r"[^/\0][^\0]*"


class _Rule(Rule):
    """A path of an endpoint, in which the names of identifiers end in `_id`."""

    def get_converter(
        self, variable_name: str, converter_name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> BaseConverter:
        if variable_name.endswith("_id"):
            converter_name = "identifier"
        return super().get_converter(variable_name, converter_name, args, kwargs)


class _NoSession(SessionInterface):
    """Flask's session, which nothing here uses: it is never read from a cookie, nor written to one."""

    _nothing = NullSession()  # refuses to be changed, so all requests can share it

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002 - the signature is Flask's
        """The one that stays empty; Flask would look for a secret key first, and make one for each request."""
        return self._nothing


class Application(Flask):
    """Serves no files of its own, redirects nothing, and answers OPTIONS without a body."""

    session_interface = _NoSession()
    url_rule_class = _Rule

    def __init__(
        self,
        import_name: str,
        settings: Settings,
        endpoints: Iterable[Endpoint],
        observer: Observer = NOBODY,
        cors: Cors | None = None,
    ) -> None:
        """`endpoints` are those that it will serve, `cors` what pages of other origins may do."""
        super().__init__(import_name, static_folder=None)
        probes = frozenset(declared.path for declared in endpoints if declared.probe)
        self._begin = exchange.begin_hook(settings, observer, probes, cors)
        self._observer = observer
        self.testing = settings.profile == "testing"
        self.config["MAX_CONTENT_LENGTH"] = settings.server.max_body_bytes
        # A redirect would carry the Host header of the request.
        self.url_map.strict_slashes = False
        self.url_map.converters |= {"default": _Name, "string": _Name, "identifier": _Identifier, "path": _Path}
        self.url_map.merge_slashes = False

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, within its exchange."""
        begun = self._begin(environ, start_response)
        with (
            client.connected(environ.get("gunicorn.socket")),
            deadline.begin(deadline.REQUEST_SECONDS),
            exchange.under_way(environ, self._observer),
        ):
            return super().wsgi_app(environ, begun)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What finds the endpoint of a request, by its path and method. Flask would read and encode the host, twice.

        That is left to Flask where the host could matter: it refuses one that cannot be encoded, and WebSockets.
        """
        if (
            request is None
            or "HTTP_UPGRADE" in request.environ
            or not request.environ.get("PATH_INFO")
            or not _PLAIN_HOST.fullmatch(request.environ.get("HTTP_HOST", ""))
        ):
            return super().create_url_adapter(request)
        server_name = request.environ["HTTP_HOST"].lower()
        root, path = request.root_path, request.path
        return MapAdapter(self.url_map, server_name, root, "", request.scheme, path, request.method)

    def ensure_sync(self, func: _T) -> _T:
        """The function itself: none here is a coroutine, for which Flask would look at each on every request."""
        return func

    def make_default_options_response(self) -> Response:
        """204 with the methods of the path in `Allow`."""
        response = super().make_default_options_response()
        response.status_code = 204
        return response
