"""The pages: what an error means, and the documentation."""

import re
from html import unescape

import pytest

from app.errors import CATALOGUE
from tests.api.service import Service

OF_THE_CONTRACT = {
    "malformed_json": 400,
    "invalid_request": 400,
    "invalid_host": 400,
    "invalid_credentials": 401,
    "missing_token": 401,
    "invalid_token": 401,
    "expired_token": 401,
    "session_ended": 401,
    "account_disabled": 403,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "email_taken": 409,
    "username_taken": 409,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "validation_failed": 422,
    "too_many_requests": 429,
    "overloaded": 503,
    "unavailable": 503,
}
"""The codes of contract.md that what exists by now can give."""


def test_the_codes_have_the_statuses_of_the_contract() -> None:
    assert OF_THE_CONTRACT.items() <= {code: failure.status for code, failure in CATALOGUE.items()}.items()


@pytest.mark.parametrize("code", CATALOGUE)
def test_each_code_has_a_page_that_says_what_it_means_and_what_to_do(service: Service, code: str) -> None:
    response = service.get(f"/errors/{code}")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    failure, text = CATALOGUE[code], unescape(re.sub("</?code>", "`", response.text))
    for told in (code, str(failure.status), failure.message, failure.meaning, failure.remedy):
        assert told in text


@pytest.mark.parametrize(
    "code", ["nope", "<script>alert(1)</script>", "NOT_FOUND", "not_found.html", "../not_found", " "]
)
def test_an_unknown_code_has_no_page(service: Service, code: str) -> None:
    response = service.send("GET", "/nope", environ={"PATH_INFO": f"/errors/{code}"})
    assert (response.status_code, response.json["code"]) == (404, "not_found")
    assert "<script>" not in response.text


def test_the_help_of_a_failure_leads_to_its_page(service: Service) -> None:
    help_url = service.get("/auth/me").json["help"]
    assert service.get(help_url.removeprefix("http://localhost:5000")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/swagger/", "/swagger", "/errors/not_found"])
def test_what_a_page_needs_is_served_from_here(service: Service, path: str) -> None:
    page = service.get(path)
    assert page.status_code == 200
    linked = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.text)
    assert linked
    for target in linked:
        assert target.startswith("/"), f"{target} lies elsewhere"
        assert service.get(target).status_code == 200
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", page.text), "a script is inline"
    assert not re.search(r"\bon\w+=|style=|<style|javascript:", page.text)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("pages.css", "text/css; charset=utf-8"),
        ("swagger.js", "text/javascript; charset=utf-8"),
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ],
)
def test_a_file_says_what_it_is_and_may_be_kept(service: Service, name: str, media_type: str) -> None:
    response = service.get(f"/assets/{name}")
    assert (response.status_code, response.headers["Content-Type"]) == (200, media_type)
    assert re.fullmatch(r"public, max-age=\d+", response.headers["Cache-Control"])
    again = service.get(f"/assets/{name}", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "name",
    ["nope.css", "..", "../__init__.py", "../templates/page.html", "..\\wsgi.py", "/etc/passwd", "index.html", "",
     "swagger-ui-bundle.js.map", "pages.css\u0000", "oauth2-redirect.html", "swagger-ui-standalone-preset.js"],
)  # fmt: skip
def test_nothing_else_is_served_as_a_file(service: Service, name: str) -> None:
    assert service.send("GET", "/nope", environ={"PATH_INFO": f"/assets/{name}"}).status_code == 404


def test_swagger_shows_the_document_of_this_service(service: Service) -> None:
    assert "/openapi.json" in service.get("/assets/swagger.js").text
