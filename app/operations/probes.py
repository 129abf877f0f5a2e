"""Checks of other servers that the settings name, each with a deadline: a server may hang, or answer very slowly."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.security.bounded_calls import BoundedCalls

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 5.0
"""Seconds that one check may take."""


def within(look: Callable[[], str | None], seconds: float = PATIENCE) -> str | None:
    """What `look` finds wrong, or that it took too long; its thread is then abandoned, and ends with the process."""
    try:
        return BoundedCalls("check", at_once=1).run(lambda _watch: look(), seconds)
    except TimeoutError:
        return f"no answer within {seconds:.0f} s"


def collector(endpoint: str) -> str | None:
    """What is wrong with the trace collector at this address, to which an empty export is sent (OTLP/HTTP)."""
    url = urlsplit(endpoint)
    connection = (
        http.client.HTTPSConnection(url.netloc, timeout=PATIENCE, context=ssl.create_default_context())
        if url.scheme == "https"
        else http.client.HTTPConnection(url.netloc, timeout=PATIENCE)
    )
    try:
        connection.request("POST", f"{url.path}/v1/traces", b"", {"Content-Type": "application/x-protobuf"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return None if status == http.client.OK else f"/v1/traces answers {status}"
