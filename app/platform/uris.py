"""URIs: which ones are the same though they are written differently, and parameters in their queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PORTS: Final = {"http": ":80", "https": ":443"}


def as_written(uri: str, known: Iterable[str]) -> str | None:
    """The one of these URIs that a URI is, as it stands there; None if it is none of them.

    To the letter, or else as URL libraries write it: `https://Example.com:443` is `https://example.com/` to them
    (RFC 3986 sections 6.2.2.1 and 6.2.3). What a server may tell apart stays apart: a path with a slash at its end is
    another than without.
    """
    known = tuple(known)
    if uri in known:
        return uri
    normal = _normal(uri)
    return next((each for each in known if _normal(each) == normal), None)


def with_query(uri: str, parameters: Mapping[str, str]) -> str:
    """The URI with these parameters behind those that its query has already. It has no fragment."""
    joint = "?" if "?" not in uri else "" if uri.endswith(("?", "&")) else "&"
    return f"{uri}{joint}{urlencode(parameters)}"


def _normal(uri: str) -> str:
    """The URI with scheme and host in lower case, without the port that its scheme has anyway, and with a path."""
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - raises ValueError
    except ValueError:
        return uri
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return uri
    start = f"{parts.scheme}://{parts.netloc}"
    if uri[: len(start)].lower() != start.lower():  # urlsplit leaves out blanks and line breaks
        return uri
    authority = parts.netloc.lower().removesuffix(_PORTS[parts.scheme])
    # Of what was written, not put together again: an empty query is not the same as none.
    behind = uri[len(start) :]
    return f"{parts.scheme}://{authority}{behind if behind.startswith('/') else f'/{behind}'}"
