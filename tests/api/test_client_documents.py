"""Clients that describe themselves by a document (Client ID Metadata Document), from the document to the tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import pytest

from app.oauth.client_documents.model import ClientDocuments, id_of
from app.oauth.clients.service import ClientService
from tests.api.oauth_flow import (
    CALLBACK,
    FILES,
    FORM,
    a_client,
    answer_of,
    claims,
    is_page,
    leads_to,
    name_resources,
)
from tests.contract.races import in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.browser import Browser
    from tests.api.document_site import Site
    from tests.api.service import Account, Service, Start


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    service = start(CIMD_ALLOW="any", EGRESS_ALLOW="127.0.0.0/8")
    name_resources(service)
    return service


# From the document to the tokens


def test_a_client_that_describes_itself_gets_tokens_for_what_it_asks(
    service: Service, site: Site, ann: Account
) -> None:
    app = site.client(service)
    found = app.tokens(ann, resource=FILES, scope="openid offline_access files:read")
    access = claims(found["access_token"])
    assert (access["client_id"], access["aud"]) == (site.url, FILES)
    assert access["scope"] == "openid offline_access files:read"
    assert claims(found["id_token"])["aud"] == site.url
    assert app.refresh(found["refresh_token"]).status_code == 200
    assert site.fetches == 1


def test_the_request_for_a_document_is_plain(service: Service, site: Site) -> None:
    assert leads_to(site.client(service).authorize()) == "/login"
    (request,) = site.server.requests
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /oauth/client.json HTTP/1.1"
    assert set(lines[1:-2]) == {
        f"Host: {site.host}",
        "Accept: application/json",
        "User-Agent: latchkey",
        "Accept-Encoding: identity",
        "Connection: close",
    }


def test_it_is_a_third_party_whose_tokens_read_userinfo_alone(service: Service, site: Site, ann: Account) -> None:
    token = site.client(service).tokens(ann)["access_token"]
    assert service.get("/oauth/userinfo", token=token).status_code == 200
    assert service.get("/auth/me", token=token).status_code == 403


def test_its_grant_and_its_sessions_are_listed_and_taken_away(service: Service, site: Site, ann: Account) -> None:
    app = site.client(service)
    tokens = app.tokens(ann)
    (grant,) = service.get("/auth/grants", token=ann.token).json["data"]["grants"]
    assert (grant["client_id"], grant["name"]) == (site.url, "The editor")
    sessions = service.get("/auth/sessions", token=ann.token).json["data"]["sessions"]
    assert [each["client"] for each in sessions if each.get("client")] == [
        {"id": site.url, "name": urlsplit(site.url).hostname}
    ]
    gone = service.send("DELETE", f"/auth/grants/{quote(site.url, safe='')}", token=ann.token)
    assert gone.status_code == 200
    assert app.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_a_document_without_a_name_is_called_by_its_host(service: Service, site: Site, ann: Account) -> None:
    del site.document["client_name"]
    site.client(service).tokens(ann)
    (grant,) = service.get("/auth/grants", token=ann.token).json["data"]["grants"]
    assert grant["name"] == urlsplit(site.url).hostname


# What is asked of the user


def test_the_page_says_who_describes_the_client_and_where_the_answer_goes(
    service: Service, site: Site, browser: Browser
) -> None:
    site.document["client_name"] = "<b>Bank & Co</b>"
    reply = browser.get("/oauth/authorize", query=urlencode(site.client(service).request()))
    assert leads_to(reply) == "/consent"
    page = browser.get("/consent", query=urlsplit(reply.headers["Location"]).query)
    assert page.status_code == 200
    assert "<strong>app.example</strong>" in page.text
    assert f"<strong>{site.host}</strong> describes it" in page.text
    assert "&lt;b&gt;Bank &amp; Co&lt;/b&gt;" in page.text
    assert "on this device" not in page.text


def test_the_page_warns_where_the_answer_goes_to_this_device(service: Service, site: Site, browser: Browser) -> None:
    site.document["redirect_uris"] = ["http://localhost/cb"]
    asked = site.client(service).request(redirect_uri="http://localhost:1234/cb")
    reply = browser.get("/oauth/authorize", query=urlencode(asked))
    page = browser.get("/consent", query=urlsplit(reply.headers["Location"]).query)
    assert "This answer goes to a program on this device." in page.text


def test_the_user_is_asked_once_if_the_answer_goes_to_the_host_of_the_document(
    service: Service, site: Site, browser: Browser, ann: Account
) -> None:
    own = f"{site.server.url}/cb"
    site.document["redirect_uris"] = [own]
    app = site.client(service)
    app.code(ann, redirect_uri=own)
    reply = browser.get("/oauth/authorize", query=urlencode(app.request(redirect_uri=own)))
    assert reply.headers["Location"].startswith(f"{own}?code=")


def test_the_user_is_asked_again_if_the_document_sends_the_answer_elsewhere(
    service: Service, site: Site, browser: Browser, ann: Account
) -> None:
    own = f"{site.server.url}/cb"
    site.document["redirect_uris"] = [own]
    app = site.client(service)
    app.code(ann, redirect_uri=own)
    site.document["redirect_uris"] = [CALLBACK]
    service.clock.advance(3601)
    assert leads_to(browser.get("/oauth/authorize", query=urlencode(app.request()))) == "/consent"
    silent = browser.get("/oauth/authorize", query=urlencode(app.request(prompt="none")))
    assert answer_of(silent.headers["Location"])["error"] == "consent_required"


# When it is fetched


@pytest.mark.parametrize(
    ("cache_control", "seconds"), [(None, 3600), ("max-age=1200", 1200), ("no-store", 300), ("max-age=999999", 86400)]
)
def test_a_document_is_kept_as_long_as_its_server_says(
    service: Service, site: Site, cache_control: str | None, seconds: int
) -> None:
    if cache_control is not None:
        site.headers["Cache-Control"] = cache_control
    app = site.client(service)
    for after, fetches in ((0, 1), (seconds - 1, 1), (1, 2)):
        service.clock.advance(after)
        assert leads_to(app.authorize()) == "/login"
        assert site.fetches == fetches


def test_a_change_of_the_document_counts_from_when_it_is_fetched_again(service: Service, site: Site) -> None:
    app = site.client(service)
    assert leads_to(app.authorize()) == "/login"
    site.document["redirect_uris"] = ["https://other.example/cb"]
    assert leads_to(app.authorize()) == "/login"
    service.clock.advance(3600)
    assert is_page(app.authorize())
    assert leads_to(app.authorize(redirect_uri="https://other.example/cb")) == "/login"


def test_a_request_that_waits_is_judged_by_the_document_of_now(
    service: Service, site: Site, browser: Browser, ann: Account
) -> None:
    site.headers["Cache-Control"] = "no-store"
    reply = browser.get("/oauth/authorize", query=urlencode(site.client(service).request()))
    assert leads_to(reply) == "/consent"
    site.document["redirect_uris"] = ["https://other.example/cb"]
    service.clock.advance(301)
    sent = {"request": urlsplit(reply.headers["Location"]).query.partition("=")[2], "user": ann.id, "answer": "allow"}
    assert is_page(browser.post("/consent", **sent))


def test_a_failure_is_not_kept(service: Service, site: Site) -> None:
    app = site.client(service)
    site.status = "503 Away"
    assert is_page(app.authorize())
    site.status = "200 OK"
    assert leads_to(app.authorize()) == "/login"
    assert site.fetches == 2


def test_a_document_that_can_be_had_no_longer_is_no_client_any_more(service: Service, site: Site) -> None:
    app = site.client(service)
    assert leads_to(app.authorize()) == "/login"
    site.status = "404 Gone"
    assert leads_to(app.authorize()) == "/login"
    service.clock.advance(3600)
    assert is_page(app.authorize())


def test_documents_that_have_expired_are_deleted(service: Service, site: Site) -> None:
    site.client(service).authorize()
    documents = service.wired.get(ClientDocuments)
    assert documents.find(id_of(site.url), service.clock()) is not None
    service.clock.advance(3600)
    while documents.delete_expired(service.clock(), 100):
        pass
    assert documents.find(id_of(site.url), service.clock().replace(year=2000)) is None


def test_the_token_endpoint_fetches_nothing_whatever_it_is_sent(service: Service, site: Site, ann: Account) -> None:
    app = site.client(service)
    for reply in (app.redeem("c" * 43), app.refresh("r" * 43), app.token(grant_type="client_credentials")):
        assert reply.status_code in {400, 401}
    for path in ("/oauth/revoke", "/oauth/introspect", "/oauth/device_authorization"):
        body = urlencode({"client_id": site.url, "token": "t"}).encode()
        service.send("POST", path, body=body, content_type=FORM)
    service.get("/oauth/logout", query=urlencode({"client_id": site.url, "post_logout_redirect_uri": CALLBACK}))
    assert site.fetches == 0
    tokens = app.tokens(ann)
    assert site.fetches == 1
    site.status = "404 Gone"
    service.clock.advance(90_000)
    assert app.refresh(tokens["refresh_token"]).status_code == 200
    assert site.fetches == 1


def test_a_code_or_a_refresh_token_is_good_for_its_own_client_alone(
    service: Service, new_site: Callable[[], Site], ann: Account
) -> None:
    one, other = new_site().client(service), new_site().client(service)
    assert other.redeem(one.code(ann)).json["error"] == "invalid_grant"
    tokens = one.tokens(ann)
    assert other.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert a_client(service).refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_many_who_come_at_once_have_it_fetched_once(service: Service, site: Site) -> None:
    app = site.client(service)
    assert {leads_to(reply) for reply in in_threads(lambda _: app.authorize())} == {"/login"}
    assert site.fetches == 1


@pytest.mark.parametrize(
    "uri", ["http://app.example/cb", "javascript:alert(1)", "/cb", "https://app.example/cb#a", "https://a@app.example/"]
)
def test_nothing_is_fetched_for_a_redirect_uri_that_no_client_may_have(service: Service, site: Site, uri: str) -> None:
    assert is_page(site.client(service).authorize(redirect_uri=uri))
    assert site.fetches == 0


def test_a_pushed_request_is_judged_by_the_document(service: Service, site: Site) -> None:
    app = site.client(service)
    for uri, status in ((CALLBACK, 201), ("https://other.example/cb", 400)):
        body = urlencode(app.request(redirect_uri=uri)).encode()
        assert service.send("POST", "/oauth/par", body=body, content_type=FORM).status_code == status
    site.document["client_id"] = "https://other.example/a"
    service.clock.advance(3600)
    reply = service.send("POST", "/oauth/par", body=urlencode(app.request()).encode(), content_type=FORM)
    assert (reply.status_code, reply.json["error"]) == (401, "invalid_client")


def test_the_operator_ends_what_one_of_them_has_and_its_users_are_asked_again(
    service: Service, new_site: Callable[[], Site], browser: Browser, ann: Account
) -> None:
    sites = [new_site(), new_site()]
    for site in sites:
        site.document["redirect_uris"] = [f"{site.server.url}/cb"]
    app, other = (site.client(service) for site in sites)
    here, there = (f"{site.server.url}/cb" for site in sites)
    code = app.code(ann, redirect_uri=here)
    tokens = app.redeem(app.code(ann, redirect_uri=here), redirect_uri=here).json
    kept = other.redeem(other.code(ann, redirect_uri=there), redirect_uri=there).json
    service.wired.get(ClientService).end_described(app.id)
    assert app.redeem(code, redirect_uri=here).json["error"] == "invalid_grant"
    assert app.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert other.refresh(kept["refresh_token"]).status_code == 200
    assert leads_to(browser.get("/oauth/authorize", query=urlencode(app.request(redirect_uri=here)))) == "/consent"
    assert [site.fetches for site in sites] == [2, 1]


# After a logout


def test_a_client_that_has_an_id_token_is_gone_back_to_after_the_logout(
    service: Service, site: Site, ann: Account
) -> None:
    site.document["post_logout_redirect_uris"] = ["https://app.example/bye"]
    app = site.client(service)
    tokens = app.tokens(ann)
    service.clock.advance(4000)
    sent = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://app.example/bye", "state": "s"}
    reply = service.get("/oauth/logout", query=urlencode(sent))
    assert (reply.status_code, reply.headers["Location"]) == (303, "https://app.example/bye?state=s")
    assert site.fetches == 2
    site.status = "503 Away"
    service.clock.advance(4000)
    reply = service.get("/oauth/logout", query=urlencode(sent))
    assert reply.headers["Location"].endswith("/logout")
