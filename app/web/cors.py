"""Cross-origin resource sharing: what pages of the listed origins may do and read (the Fetch standard, section 3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, request

if TYPE_CHECKING:
    from collections.abc import Collection

    from _typeshed.wsgi import WSGIEnvironment

_ALLOW_ORIGIN = "Access-Control-Allow-Origin"
_METHODS = "DELETE, GET, HEAD, PATCH, POST, PUT"
"""On every path, so that an application can read the 404 or 405 that it gets."""
_REQUEST_HEADERS = "Authorization, Content-Type, X-Access-Token, X-Auth-Cookies, X-Device-Token"
_EXPOSED = "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-ID"
_PREFLIGHT_SECONDS = 600


class Cors:
    """The headers for pages of these origins; none at all if there are none."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def headers(self, environ: WSGIEnvironment, sent: Collection[str]) -> list[tuple[str, str]]:
        """The headers to add to a reply that has the headers named in `sent`, whatever it is: failures, too.

        `Vary` is on replies to other origins as well, or a cache would give those to a listed one. What any page may
        read, has its own `Access-Control-Allow-Origin: *`, the same for all.
        """
        if not self._origins or _ALLOW_ORIGIN in sent:
            return []
        origin = environ.get("HTTP_ORIGIN")
        if origin not in self._origins:
            return [("Vary", "Origin")]
        allowed = [("Vary", "Origin"), (_ALLOW_ORIGIN, origin), ("Access-Control-Allow-Credentials", "true")]
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
        if not self._origins:
            return

        @app.before_request
        def answer_preflight() -> Response | None:
            if _is_preflight(request.environ) and request.environ.get("HTTP_ORIGIN") in self._origins:
                return app.make_default_options_response() if request.url_rule else Response(status=204)
            return None


def _is_preflight(environ: WSGIEnvironment) -> bool:
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
