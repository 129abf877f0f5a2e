"""The pages: what an error means, and the documentation."""

import json
import re
import shlex
from html import unescape
from urllib.parse import urljoin

import pytest

from app import __version__
from app.platform.errors import CATALOGUE
from tests.api.service import Service, Start

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
"""The codes of contract.md that the present endpoints can return."""


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


@pytest.mark.parametrize("code", CATALOGUE)
def test_each_help_page_is_headed_by_its_code_and_tells_three_things_with_code_as_code(
    service: Service, code: str
) -> None:
    page = service.get(f"/errors/{code}").text
    (heading,) = re.findall(r"<h1>(.*?)</h1>", page)
    assert re.sub("<[^>]*>", "", heading) == code
    assert page.count("<dd>") == 3
    assert "`" not in page.partition("<main>")[2]


def shown(page: str) -> list[str]:
    """The blocks of code on a page."""
    return [unescape(block) for block in re.findall(r"<pre><code>(.*?)</code></pre>", page, re.DOTALL)]


@pytest.mark.parametrize(
    ("code", "method", "path"),
    [
        ("not_found", "GET", "/nope"),
        ("missing_token", "GET", "/auth/me"),
        ("method_not_allowed", "PUT", "/auth/me"),
        ("malformed_json", "POST", "/auth/login"),
    ],
)
def test_the_reply_on_a_help_page_is_the_one_that_clients_get(
    service: Service, code: str, method: str, path: str
) -> None:
    reply = service.send(method, path, body=b"{", content_type="application/json")
    (sample,) = shown(service.get(f"/errors/{code}").text)
    head, _, body = sample.partition("\n\n")
    status, *fields = head.split("\n")
    assert status.upper() == f"HTTP/1.1 {reply.status}".upper()
    headers = dict(field.split(": ") for field in fields)
    for name in headers.keys() - {"X-Request-ID"}:
        assert reply.headers[name] == headers[name]
    told = json.loads(body)
    assert told["request_id"] == headers["X-Request-ID"]
    assert told | {"request_id": reply.json["request_id"]} == reply.json


def test_a_long_code_has_places_to_break(service: Service) -> None:
    heading = re.search(r"<h1>(.*?)</h1>", service.get("/errors/reauthentication_required").text)
    assert heading
    assert heading[1] == "<code>reauthentication_<wbr>required</code>"


def test_the_first_page_says_what_this_is_and_which_version(service: Service) -> None:
    page = service.get("/").text
    assert "<h1>An authentication service</h1>" in page
    assert f"Latchkey {__version__}" in page
    assert re.search(r'<a class="button primary" href="\./swagger/">', page)


def test_the_steps_of_the_first_page_lead_to_a_user(start: Start) -> None:
    service, token = start(), None
    for command in shown(service.get("/").text):
        words = shlex.split(command)
        path = words[1].removeprefix("http://localhost:5000")
        if "-d" in words:
            reply = service.post(path, json.loads(words[words.index("-d") + 1]))
            token = reply.json["data"]["access_token"]
        else:
            headers = dict([words[words.index("-H") + 1].replace("<access_token>", str(token)).split(": ")])
            reply = service.get(path, headers=headers)
        assert reply.status_code in {200, 201}
    assert reply.json["data"]["user"]["username"] == "ann"


def test_the_first_page_says_where_a_mail_has_to_be_answered(service: Service, start: Start) -> None:
    told = "open the link in the mail"
    assert told not in service.get("/").text
    assert told in start(REQUIRE_VERIFIED_EMAIL="on").get("/").text
    assert told in start(HIDE_ACCOUNTS="on").get("/").text


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("HEAD", "/nope", 404),
        ("GET", "/errors/nope", 404),
        ("GET", "/assets/nope.css", 404),
        ("GET", "/auth/login", 405),
        ("POST", "/", 405),
    ],
)
def test_a_browser_gets_a_page_for_an_unknown_path(
    service: Service, accept: str, method: str, path: str, status: int
) -> None:
    reply = service.send(method, path, headers={"Accept": accept})
    assert (reply.status_code, reply.mimetype) == (status, "text/html")
    if method != "HEAD":
        assert "<h1>Page not found</h1>" in reply.text or status != 404
        assert reply.headers["X-Request-ID"] in reply.text


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/html", "image/png"])
def test_a_program_gets_json_for_an_unknown_path(service: Service, accept: str | None) -> None:
    reply = service.get("/nope", headers={"Accept": accept} if accept else {})
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(("method", "path"), [("GET", "/auth/me"), ("DELETE", "/api/products/nope")])
def test_an_api_endpoint_fails_in_json_whatever_the_client_accepts(service: Service, method: str, path: str) -> None:
    # Old HTTP libraries, such as Java's URLConnection, ask for HTML by default.
    reply = service.send(method, path, headers={"Accept": "text/html, image/gif, *; q=.2, */*; q=.2"})
    assert (reply.status_code, reply.mimetype) == (401, "application/json")


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


@pytest.mark.parametrize("path", ["/", "/swagger/", "/swagger", "/errors/not_found", "/account/passkeys"])
def test_what_a_page_needs_is_served_from_here(service: Service, path: str) -> None:
    page = service.get(path)
    assert page.status_code == 200
    linked = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.text)
    assert linked
    for target in linked:
        assert target.startswith("."), f"{target} lies elsewhere"
        assert service.get(urljoin(path, target)).status_code == 200
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
