"""What endpoints return, as responses."""

from __future__ import annotations

from itertools import chain
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from flask import Response, request

from app.platform.errors import Overloaded
from app.web.result import Carrying, File, Reply
from app.web.view import BareView, Streamed, envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.web.endpoint import Endpoint, Result

_STREAMS = BoundedSemaphore(4)


def replier(declared: Endpoint, *, https: bool) -> Callable[[Any], Response]:
    """Returns the function that turns the result of the endpoint into a response."""
    media_type, cache = declared.media_type, declared.cache
    envelopes = {
        outcome.returns: (
            outcome.status,
            *((b"", b"") if issubclass(outcome.returns, BareView) else envelope(outcome.message)),
        )
        for outcome in declared.outcomes
    }

    def reply(result: Result) -> Response:
        if isinstance(result, File):
            status, *_ = envelopes[File]
            response = Response(result.content, status=result.status or status, content_type=result.media_type)
            response.headers.update(result.headers)
        elif isinstance(result, Streamed):
            status, before, behind = envelopes[result.view]
            # Made before the status is sent, so that a failure up to here gets an ordinary error reply.
            parts = _few_at_once(result.parts)
            first = next(parts)
            content = chain((before + first,), parts, (behind,))
            response = Response(content, status=status, content_type=media_type)
        elif isinstance(result, Carrying):
            response = reply(result.reply)
            _carry(declared, result, response, https=https)
            return response
        else:
            status, before, behind = envelopes[type(result)]
            json = before + result.__pydantic_serializer__.to_json(result) + behind
            response = Reply(json, status=status, content_type=media_type)
        if declared.any_origin:
            response.headers["Access-Control-Allow-Origin"] = "*"
        if cache:
            response.headers["Cache-Control"] = f"public, max-age={cache}"
            response.add_etag()
            response.make_conditional(request)
        return response

    return reply


def _carry(declared: Endpoint, result: Carrying, response: Response, *, https: bool) -> None:
    """Add headers and cookies to the response; raises TypeError if the endpoint does not declare them."""
    if undeclared := result.carried.difference(declared.carries):
        names = ", ".join(sorted(carried.name for carried in undeclared))
        raise TypeError(f"{declared.name} does not declare that it carries {names}")
    result.write(response, https=https)


def _few_at_once(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The parts of a long reply; raises Overloaded at the first if this process sends as many of them as it may.

    Each takes a thread for as long as the client takes to receive it, and costs more than other requests.
    """
    if not _STREAMS.acquire(blocking=False):
        raise Overloaded("Too many long replies are being sent at the moment.", retry_after=5)
    try:
        yield from parts
    finally:
        _STREAMS.release()
