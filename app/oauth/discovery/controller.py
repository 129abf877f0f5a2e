"""The documents about the authorization server and about our own API, at their well-known addresses."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from app.oauth.discovery.service import Discovery
from app.platform.errors import NotFound, Unavailable
from app.web.endpoint import endpoint
from app.web.guard import public
from app.web.result import File

if TYPE_CHECKING:
    from app.web.call import Call

KEPT_FOR: Final = 300
"""Seconds for which others may keep these documents."""
_document = partial(endpoint, access=public, returns=File, cache=KEPT_FOR, any_origin=True)


@_document("GET /.well-known/openid-configuration", raises=(Unavailable,))
def openid_configuration(call: Call) -> File:
    """The metadata of the server (OpenID Connect Discovery section 3)."""
    return _json(call.get(Discovery).server())


@_document("GET /.well-known/oauth-authorization-server", raises=(Unavailable,))
def server_metadata(call: Call) -> File:
    """The same (RFC 8414 section 3)."""
    return _json(call.get(Discovery).server())


@_document("GET /.well-known/oauth-authorization-server/<path:below>", raises=(NotFound, Unavailable))
def server_metadata_below(call: Call, below: str) -> File:
    """The same for a PUBLIC_URL with a path, which RFC 8414 section 3.1 puts behind the well-known one."""
    _require_own_path(call, below)
    return _json(call.get(Discovery).server())


@_document("GET /.well-known/oauth-protected-resource")
def resource_metadata(call: Call) -> File:
    """The metadata of our own API (RFC 9728 section 3)."""
    return _json(call.get(Discovery).resource())


@_document("GET /.well-known/oauth-protected-resource/<path:below>", raises=(NotFound,))
def resource_metadata_below(call: Call, below: str) -> File:
    """The same for a PUBLIC_URL with a path (RFC 9728 section 3.1)."""
    _require_own_path(call, below)
    return _json(call.get(Discovery).resource())


def _require_own_path(call: Call, below: str) -> None:
    if f"/{below}" != urlsplit(call.settings.server.public_url).path:
        raise NotFound


def _json(content: dict[str, Any]) -> File:
    return File(json.dumps(content).encode(), "application/json")
