"""What the service says about itself: the OpenAPI document, Swagger UI, and a page for each error."""

from __future__ import annotations

from http import HTTPStatus
from importlib import resources
from pathlib import Path

from app.platform.errors import CATALOGUE, NotFound
from app.platform.version import __version__
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public
from app.web.problems import sample
from app.web.result import File

_DAY = 86_400
_HOUR = 3_600
_POLICY_OF_SWAGGER = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI sends the requests that users try out, and shows small pictures from data: URLs; nothing is inline."""
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_STATIC = Path(__file__).parent.parent / "static"
_OF_SWAGGER_UI = ("swagger-ui.css", "swagger-ui-bundle.js")


@endpoint("GET /", access=public, returns=File, cache=_HOUR, media_type="text/html")
def index(call: Call) -> File:
    """The start page: what this is, three steps to an access token, and links to the documentation."""
    settings = call.settings
    return call.page(
        "index.html",
        version=__version__,
        public_url=settings.server.public_url,
        verifies_first=settings.accounts.require_verified_email or settings.accounts.hide_accounts,
        shows_mail=settings.profile == "development",
    )


@endpoint("GET /openapi.json", access=public, operation="getOpenApi", returns=File, cache=_HOUR, any_origin=True)
def openapi(call: Call) -> File:
    """The OpenAPI 3.1 document of this service."""
    return File(call.specification.json(), "application/json")


@endpoint("GET /swagger/", access=public, returns=File, cache=_HOUR, media_type="text/html")
def swagger(call: Call) -> File:
    """Interactive documentation: Swagger UI, served by this service."""
    headers = {"Content-Security-Policy": _POLICY_OF_SWAGGER}
    return call.page("swagger.html", headers=headers, keeps_token=call.settings.profile == "development")


@endpoint("GET /errors/<code>", access=public, returns=File, cache=_HOUR, media_type="text/html", raises=(NotFound,))
def error(call: Call, code: str) -> File:
    """What an error code means, why it occurs, and what to do."""
    failure = CATALOGUE.get(code)
    if failure is None:
        raise NotFound
    headers, body = sample(failure, call.settings.server.public_url)
    return call.page("error.html", failure=failure, phrase=HTTPStatus(failure.status).phrase, fields=headers, body=body)


@endpoint("GET /assets/<name>", access=public, returns=File, cache=_DAY, media_type="*/*", raises=(NotFound,))
def asset(_call: Call, name: str) -> File:
    """The style sheets and scripts of the pages."""
    folder = resources.files("flask_swagger_ui") / "dist" if name in _OF_SWAGGER_UI else _STATIC
    media_type = _MEDIA_TYPES.get(Path(name).suffix)
    # The name is compared with the files in the folder, so no name leads out of it.
    file = next((file for file in folder.iterdir() if file.name == name), None)
    if media_type is None or file is None:
        raise NotFound
    return File(file.read_bytes(), media_type)
