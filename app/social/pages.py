"""Where providers send browsers back to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from app.platform.errors import InvalidCode, NotFound, Unavailable
from app.social.cookies import PROVIDER_COOKIE
from app.social.service import ProviderLogins
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public
from app.web.parameters import Parameters
from app.web.result import File

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATUS: Final[Mapping[str | None, int]] = {None: 200, Unavailable.code: Unavailable.status}


@endpoint(
    "GET /auth/providers/<provider>/callback",
    access=public,
    operation="returnFromProvider",
    limit="provider",
    parameters="query",
    returns=File,
    media_type="text/html",
    raises=(NotFound, InvalidCode, Unavailable),
)
def come_back(call: Call, sent: Parameters, provider: str) -> File:
    """Take up the answer of a provider, and go on to the application."""
    try:
        came = call.get(ProviderLogins).answer(provider, sent.one_of_each(), call.cookie(PROVIDER_COOKIE))
    except InvalidCode as failure:
        return call.failed(failure, "provider_code.html", {}, {})
    if came.location is not None:
        return File(b"", "text/html; charset=utf-8", {"Location": came.location}, 303)
    return call.page("provider_code.html", status=_STATUS.get(came.error, 403), code=came.code, error=came.error)


@endpoint(
    "POST /auth/providers/<provider>/callback",
    access=public,
    operation="returnFromProviderByForm",
    limit="provider",
    parameters="body",
    returns=File,
    media_type="text/html",
    raises=(NotFound, InvalidCode, Unavailable),
)
def come_back_by_form(call: Call, sent: Parameters, provider: str) -> File:
    """Keep the answer that a provider had the browser post, without our cookie, and come back with the cookie."""
    state = call.get(ProviderLogins).keep(provider, sent.one_of_each())
    # Relative: a proxy may have removed a prefix of the path.
    return File(b"", "text/html; charset=utf-8", {"Location": f"callback?{urlencode({'state': state})}"}, 303)
