"""What contract.md promises of every reply, whatever was asked."""

import json
import re
from functools import cache
from typing import Any

import jsonschema_rs
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from app import __version__, wired_of
from app.features import ENDPOINTS, PAGES, PROTOCOLS, TAGS
from app.platform.errors import CATALOGUE
from app.web.endpoint import Endpoint, served
from app.web.openapi import Specification, templated
from app.web.problem_views import ProblemDetails

OF_FAILURES = {"status", "code", "message", "help", "request_id", "errors"}
OWN = {"second_factor_required": {"login"}, "reauthentication_required": {"methods"}}
"""What else stands in a failure of a certain code, and in no other."""

FROM_ANYWHERE = {400, 500}
"""Statuses of faults, and of a Host header that cannot be read: no endpoint has a say in them."""
PROBLEM_DETAILS = jsonschema_rs.Draft202012Validator(ProblemDetails.model_json_schema(mode="serialization"))
"""What the document describes in words only, so that an error has one type in generated clients."""
OF_PAGES = {templated(declared.path) for declared in PAGES}
"""Paths of pages, which are not part of the document; the HTML ones among them fail as pages."""
OF_PROTOCOLS = {templated(declared.path) for declared in PROTOCOLS}
"""Paths of protocols, which are not part of it either."""


class Conventions:
    """Checks replies of one application, also against the OpenAPI document that it serves."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        settings = wired_of(app).settings
        self._of_rfc = {declared.path for declared in served(PROTOCOLS, settings) if declared.rfc}
        """Paths that fail in the shape of RFC 6749."""
        self._document = _document(served(ENDPOINTS, settings), settings.server.public_url)

    def check(self, response: TestResponse) -> None:
        """Fails if the reply breaks a promise, or is not what the OpenAPI document says."""
        method, path = response.request.method, response.request.path
        headers = response.headers
        assert re.fullmatch(r"[A-Za-z0-9_-]{8,64}", headers["X-Request-ID"])
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert len(headers.getlist("Cache-Control")) == 1
        if method == "HEAD" or response.status_code in {204, 304}:
            assert response.data == b""
        if response.status_code >= 400:
            self._check_failure(response, with_body=method != "HEAD")
        self._check_document(method, path, response)

    def _check_failure(self, response: TestResponse, *, with_body: bool) -> None:
        headers = response.headers
        assert headers["Cache-Control"] == "no-store"
        if response.mimetype == "text/html":
            asked = (
                response.request.path in OF_PAGES | OF_PROTOCOLS or "text/html" in response.request.headers["Accept"]
            )
            assert asked, "a page for a client that did not ask for one"
            assert not with_body or "<h1>" in response.text
            with_body = False
        else:
            assert response.mimetype in {"application/json", "application/problem+json"}
        challenges = response.status_code == 401 or 'error="insufficient_user_authentication"' in headers.get(
            "WWW-Authenticate", ""
        )
        is_rfc = response.request.path.rstrip("/") in self._of_rfc
        assert ("WWW-Authenticate" in headers) == challenges or is_rfc  # by RFC 6749 section 5.2 and RFC 6750 section 3
        assert ("Retry-After" in headers) == (response.status_code in {429, 503})
        assert ("Allow" in headers) == (response.status_code == 405)
        if not with_body:
            return
        told = json.loads(response.data)
        if is_rfc:
            assert told.keys() <= {"error", "error_description", "error_uri"}
            assert re.fullmatch(r"[a-z_]+", told["error"])
            return
        assert told["request_id"] == headers["X-Request-ID"]
        assert CATALOGUE[told["code"]].status == response.status_code
        if response.mimetype == "application/json":
            assert told["status"] == "error"
            assert told.keys() - OF_FAILURES == OWN.get(told["code"], set())
            assert told["help"].endswith(f"/errors/{told['code']}")
            assert told["message"]
        assert told.get("errors") or told["code"] != "validation_failed"

    def _check_document(self, method: str, path: str, response: TestResponse) -> None:
        """The status is declared for the operation, and the body is of the declared schema."""
        rule = self._rule(path, "GET" if method == "HEAD" else method)
        if rule is None:  # no endpoint takes it
            expected = {400, 404, 405} if method != "OPTIONS" else {204, 400, 404}
            assert response.status_code in expected, response.text
            return
        if rule in OF_PAGES | OF_PROTOCOLS or (response.status_code >= 400 and response.mimetype == "text/html"):
            return
        status = str(response.status_code)
        if response.status_code in FROM_ANYWHERE:
            return
        operation = self._document.paths[rule]["get" if method == "HEAD" else method.lower()]
        assert status in operation["responses"], f"{method} {rule} does not declare {status}"
        if method == "HEAD" or response.status_code in {204, 304}:
            return
        content = operation["responses"][status]["content"]
        if response.mimetype == "application/problem+json":
            PROBLEM_DETAILS.validate(json.loads(response.data))
            return
        declared = "*/*" if "*/*" in content else str(response.mimetype)
        assert declared in content, f"{method} {rule} does not declare {response.mimetype}"
        if "json" in str(response.mimetype):
            body = json.loads(response.data)
            if response.request.headers.get("X-Auth-Cookies") == "1" and "refresh_expires_in" in body.get("data", {}):
                # Required by the document, for the clients that do not send this header.
                body["data"].setdefault("refresh_token", "in the cookie")
            self._document.validator(json.dumps(content[declared]["schema"])).validate(body)

    def _rule(self, path: str, method: str) -> str | None:
        """The path template that matches the request, in OpenAPI's form; None if no endpoint does."""
        try:
            rule, _ = self._app.url_map.bind("localhost").match(path, method, return_rule=True)
        except HTTPException:
            return None
        if method == "OPTIONS":
            return None
        return templated(rule.rule)


class Document:
    """An OpenAPI document, and what checks bodies by it."""

    def __init__(self, endpoints: tuple[Endpoint, ...], public_url: str) -> None:
        document = json.loads(Specification(endpoints, TAGS, public_url, __version__).json())
        self.paths: dict[str, Any] = document["paths"]
        self.validator = cache(self._validator)
        self._components: dict[str, Any] = document["components"]

    def _validator(self, schema: str) -> jsonschema_rs.Draft202012Validator:
        return jsonschema_rs.Draft202012Validator({**json.loads(schema), "components": self._components})


@cache
def _document(endpoints: tuple[Endpoint, ...], public_url: str) -> Document:
    """The document of these endpoints. Most instances serve the same one, and making it takes long."""
    return Document(endpoints, public_url)
