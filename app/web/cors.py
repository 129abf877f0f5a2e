"""Cross-origin resource sharing: what pages of the listed origins may do and read (the Fetch standard, section 3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from _typeshed.wsgi import WSGIEnvironment

_ALLOW_ORIGIN = "Access-Control-Allow-Origin"
_METHODS = "DELETE, GET, HEAD, PATCH, POST, PUT"
"""On every path, so that an application can read the 404 or 405 that it gets."""
_REQUEST_HEADERS = "Authorization, Content-Type, DPoP, X-Access-Token, X-Auth-Cookies, X-Device-Token"
_EXPOSED = "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-ID"
_PREFLIGHT_SECONDS = 600


class Cors:
    """The headers for pages of these origins, with credentials; none at all if there are none.

    On the paths in `registered_at`, pages whose origin is `registered` get them, too, but without credentials: what
    they do there, they do with what they send. `registered` raises nothing.
    """

    def __init__(
        self,
        origins: Collection[str] = (),
        registered_at: Iterable[str] = (),
        registered: Callable[[str], bool] = lambda _origin: False,
    ) -> None:
        self._origins = frozenset(origins)
        self._registered_at, self._registered = frozenset(registered_at), registered

    def headers(self, environ: WSGIEnvironment, sent: Collection[str]) -> list[tuple[str, str]]:
        """The headers to add to a reply that has the headers named in `sent`, whatever it is: failures, too.

        `Vary` is on replies to other origins as well, or a cache would give those to a listed one. What any page may
        read, has its own `Access-Control-Allow-Origin: *`, the same for all.
        """
        if _ALLOW_ORIGIN in sent or not (self._origins or self._is_for_registered(environ)):
            return []
        origin = environ.get("HTTP_ORIGIN", "")
        allowed = [("Vary", "Origin"), (_ALLOW_ORIGIN, origin)]
        if origin in self._origins:
            allowed.append(("Access-Control-Allow-Credentials", "true"))
        elif not self._is_registered(environ):
            return [("Vary", "Origin")]
        if not _is_preflight(environ):
            return [*allowed, ("Access-Control-Expose-Headers", _EXPOSED)]
        return [
            *allowed,
            ("Access-Control-Allow-Methods", _METHODS),
            ("Access-Control-Allow-Headers", _REQUEST_HEADERS),
            ("Access-Control-Max-Age", str(_PREFLIGHT_SECONDS)),
        ]

    def install(self, app: Flask) -> None:
        """Answer preflights of the listed origins on every path, so that their pages can read what a request gets."""
        if not self._origins and not self._registered_at:
            return

        @app.before_request
        def answer_preflight() -> Response | None:
            environ = request.environ
            if _is_preflight(environ) and (environ.get("HTTP_ORIGIN") in self._origins or self._is_registered(environ)):
                return app.make_default_options_response() if request.url_rule else Response(status=204)
            return None

    def _is_for_registered(self, environ: WSGIEnvironment) -> bool:
        """Whether the path is one that pages of registered origins may read."""
        return environ.get("PATH_INFO", "").rstrip("/") in self._registered_at

    def _is_registered(self, environ: WSGIEnvironment) -> bool:
        """Whether such a page sent this request."""
        origin = environ.get("HTTP_ORIGIN")
        return origin is not None and self._is_for_registered(environ) and self._registered(origin)


def _is_preflight(environ: WSGIEnvironment) -> bool:
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
