"""What an endpoint returns besides a view: a file, and headers and cookies."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from flask import Response
from werkzeug.http import dump_cookie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed.wsgi import WSGIEnvironment

    from app.web.view import View

_HOST, _SECURE = "__Host-", "__Secure-"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 section 5.6.2: the name of a header."""
_PREFIXED = re.compile(rf"({_HOST}|{_SECURE})[0-9A-Za-z_-]+")
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*")
"""RFC 6265 section 4.1.1, without quotes."""
_PATH = re.compile(r"/[A-Za-z0-9/_.~-]*")
_LONGEST_LIFE = 400 * 24 * 3600
"""Seconds; browsers keep no cookie for longer (RFC 6265bis section 5.5)."""
_OF_THE_SERVICE = frozenset(
    {
        *("set-cookie", "cache-control", "content-type", "content-length", "etag", "x-request-id"),
        *("content-security-policy", "strict-transport-security", "x-content-type-options", "x-frame-options"),
        *("referrer-policy", "access-control-allow-origin", "connection", "date", "server", "transfer-encoding"),
    }
)
"""Headers that the web layer or gunicorn writes; a second one would contradict it."""


class Reply(Response):
    """A reply. One that is whole is sent as it is: Werkzeug would copy its headers and wrap its body first."""

    _closes = False

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Call the function after the reply is sent."""
        self._closes = True
        return super().call_on_close(func)

    def get_wsgi_response(self, environ: WSGIEnvironment) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Body, status and headers; Werkzeug's unless there is nothing in them that it could have to change."""
        if (
            self.status_code in _WITH_BODY
            and len(self.headers) == _TYPE_AND_LENGTH
            and isinstance(self.response, list)
            and not self._closes
            and environ["REQUEST_METHOD"] != "HEAD"
        ):
            return self.response, self.status, self.headers.to_wsgi_list()
        return super().get_wsgi_response(environ)


_WITH_BODY = frozenset({200, 201, 202})
_TYPE_AND_LENGTH = 2
"""The headers that a whole reply has at least: with one more, it could be a Location."""


@dataclass(frozen=True, slots=True)
class File:
    """A reply that does not come from a view: a page, a script, a document."""

    content: bytes
    media_type: str
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    """Defaults to the endpoint's status."""


def redirect(url: str) -> File:
    """Leads the browser on, with a GET whatever the method was (303): a POST is never sent on to another place."""
    return File(b"", "text/plain; charset=utf-8", {"Location": url}, 303)


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """A header that an endpoint reads, besides those that all do: declared there, and shown in the OpenAPI document."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Header:
    """A header that successes of an endpoint may carry: declared there, and shown in the OpenAPI document.

    Raises ValueError for a name that is no header's, or one that the service writes itself.
    """

    name: str
    description: str
    type: Literal["string", "integer"] = "string"

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.name) or self.name.lower() in _OF_THE_SERVICE:
            raise ValueError(f"{self.name!r} cannot be declared as a header")


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie that successes of an endpoint may set, declared like a `Header`; no script can read it.

    It is sent over https only, but for development on loopback, and belongs to this host alone: the browser enforces
    both by the prefix of its name (RFC 6265bis section 4.1.3). `__Host-` is for the whole host, `__Secure-` for the
    paths below `path`. `same_site` says whether links of other sites carry it ("Lax") or nothing of theirs ("Strict").
    Raises ValueError for anything less safe.
    """

    name: str
    description: str
    same_site: Literal["Strict", "Lax"] = "Strict"
    path: str = "/"

    def __post_init__(self) -> None:
        if not _PREFIXED.fullmatch(self.name):
            raise ValueError(f"the cookie {self.name!r} has to begin with {_HOST} or {_SECURE}, so that it is safe")
        if self.name.startswith(_HOST) and self.path != "/":
            raise ValueError(f"the cookie {self.name!r} is for the whole host: a path needs {_SECURE}")
        if not _PATH.fullmatch(self.path):
            raise ValueError(f"the cookie {self.name!r} has no path in {self.path!r}")
        if self.same_site not in {"Strict", "Lax"}:
            raise ValueError(f"the cookie {self.name!r} would be sent with requests of other sites")

    def sent_as(self, *, https: bool) -> str:
        """The name that it has; browsers refuse the prefixes over http."""
        return self.name if https else self.name.removeprefix(_HOST).removeprefix(_SECURE)

    def set(self, value: str, *, seconds: int | None = None) -> CookieChange:
        """Let the browser keep `value`, for `seconds` or until it is closed."""
        if not value or not _COOKIE_VALUE.fullmatch(value):
            raise ValueError(f"this value cannot be kept in the cookie {self.name!r}")  # not repeated: it is a secret
        if seconds is not None and seconds <= 0:
            raise ValueError("to end a cookie, clear it")
        return CookieChange(self, value, None if seconds is None else min(seconds, _LONGEST_LIFE))

    def clear(self) -> CookieChange:
        """Let the browser forget it."""
        return CookieChange(self, "", 0)


@dataclass(frozen=True, slots=True)
class CookieChange:
    """A cookie as it is set; it lives for `seconds`, or, with None, until the browser is closed."""

    cookie: Cookie
    value: str = field(repr=False)
    seconds: int | None

    def write(self, response: Response, *, https: bool) -> None:
        """Add it to a response."""
        response.headers.add("Set-Cookie", self.header(https=https))

    def header(self, *, https: bool) -> str:
        """The value of the header Set-Cookie."""
        cookie = self.cookie
        return dump_cookie(
            cookie.sent_as(https=https),
            self.value,
            max_age=self.seconds,
            expires=0 if self.seconds == 0 else None,
            path=cookie.path,
            secure=https,
            httponly=True,
            samesite=cookie.same_site,
        )


@dataclass(frozen=True, slots=True)
class Carrying:
    """A reply with headers and cookies, all of them declared in `carries` of the endpoint.

    A failure carries its own (`Failure.headers`): what an endpoint was about to return is not sent then.
    """

    reply: View | File
    headers: Mapping[Header, str] = field(default_factory=dict)
    cookies: tuple[CookieChange, ...] = ()

    @property
    def carried(self) -> frozenset[Header | Cookie]:
        """What it carries, as it has to be declared."""
        return frozenset((*self.headers, *(change.cookie for change in self.cookies)))

    def write(self, response: Response, *, https: bool) -> None:
        """Add them to a response. Raises ValueError for a value with a line end, as Werkzeug does."""
        for header, value in self.headers.items():
            response.headers[header.name] = value
        for change in self.cookies:
            change.write(response, https=https)
        if self.cookies:
            response.headers["Cache-Control"] = "no-store"
