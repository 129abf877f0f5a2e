"""Documents that describe no client: how each is refused, explained, and bounded."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from app.oauth.cimd import OF_HOST, MetadataDocuments
from app.security import egress
from tests.api.oauth_flow import CALLBACK, FILES, FORM, OAuthClient, a_client, is_page, leads_to, name_resources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.api.document_site import Site
    from tests.api.service import Account, Service, Start


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    service = start(CIMD_ALLOW="any", EGRESS_ALLOW="127.0.0.0/8")
    name_resources(service)
    return service


def explained(service: Service, app: OAuthClient, **parameters: Any) -> tuple[str | None, str]:
    """What administrators are told of an authorization request."""
    base = service.wired.settings.server.public_url
    url = f"{base}/oauth/authorize?{urlencode(app.request(**parameters), doseq=True)}"
    reply = service.post("/admin/clients/explain", {"url": url}, token=service.administrator().token)
    assert reply.status_code == 200, reply.text
    return reply.json["data"]["reason"], reply.json["data"]["detail"]


# What is refused, and how it is explained


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"status": "404 Not Found"}, "cimd_unreachable", "replied with 404"),
        ({"status": "302 Found"}, "cimd_unreachable", "no redirect is followed"),
        ({"status": "201 Created"}, "cimd_unreachable", "replied with 201"),
        ({"headers": {"Content-Type": "text/html"}}, "cimd_invalid", "application/json"),
        ({"headers": {}}, "cimd_invalid", "application/json"),
        ({"headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"}}, "cimd_unreachable", "compress"),
        ({"body": b"[]"}, "cimd_invalid", "body: This has to be an object."),
        ({"body": b'{"client_id": 1, "client_id": 2}'}, "cimd_invalid", "one reading"),
        ({"body": b'"\xff"'}, "cimd_invalid", "UTF-8"),
        ({"body": b" " * 5121}, "cimd_invalid", "at most 5 KiB"),
        (
            {"document": {"client_secret": "planted"}},
            "cimd_invalid",
            "client_id: This field is required. redirect_uris",
        ),
    ],
)
def test_what_is_no_document_in_order_is_a_page_and_explained(
    service: Service, site: Site, changes: dict[str, Any], reason: str, said: str
) -> None:
    for name, value in changes.items():
        setattr(site, name, value)
    app = OAuthClient(service, replace(a_client(service).client, id=site.url))
    reply = app.authorize()
    assert is_page(reply)
    assert "planted" not in reply.text
    found, detail = explained(service, app)
    assert (found, said in detail) == (reason, True), detail
    assert site.fetches == 2


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/ld+json"])
def test_a_document_may_be_of_any_type_of_json(service: Service, site: Site, kind: str) -> None:
    site.headers["Content-Type"] = kind
    assert leads_to(site.client(service).authorize()) == "/login"


def test_a_host_that_is_not_public_is_refused_before_it_is_asked(start: Start, site: Site) -> None:
    service = start(CIMD_ALLOW="any")
    assert is_page(site.client(service).authorize())
    reason, detail = explained(service, site.client(service))
    assert (reason, "public address" in detail) == ("cimd_unreachable", True)
    assert site.server.requests == []


def test_a_certificate_that_is_not_trusted_is_no_proof(
    service: Service, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    egress._tls.cache_clear()  # noqa: SLF001 - as in a new process
    assert is_page(site.client(service).authorize())
    assert site.server.requests == []


@pytest.mark.parametrize(
    "url",
    ["https://app.example", "https://app.example/a?b", "https://app.example/../a", "https://App.example/a", "https://"],
)
def test_a_url_that_could_be_written_otherwise_is_explained_too(service: Service, url: str) -> None:
    app = OAuthClient(service, replace(a_client(service).client, id=url))
    assert is_page(app.authorize())
    reason, detail = explained(service, app)
    assert (reason, detail.partition("The client_id ")[1]) == ("cimd_invalid", "The client_id ")


def test_another_redirect_uri_than_the_documents_never_redirects(service: Service, site: Site) -> None:
    app = site.client(service)
    assert is_page(app.authorize(redirect_uri="https://app.example/other"))
    reason, detail = explained(service, app, redirect_uri="https://app.example/other")
    assert (reason, CALLBACK in detail) == ("redirect_uri_not_registered", True)


# What the operator says


def test_without_the_setting_no_url_is_a_client_and_discovery_says_so(start: Start, site: Site) -> None:
    service = start(EGRESS_ALLOW="127.0.0.0/8")
    app = site.client(service)
    assert is_page(app.authorize())
    assert explained(service, app)[0] == "cimd_off"
    assert app.refresh("r" * 43).status_code == 401
    assert site.fetches == 0
    assert service.get("/.well-known/openid-configuration").json["client_id_metadata_document_supported"] is False


def test_with_it_discovery_says_so_and_lists_clients_without_a_secret(service: Service) -> None:
    for place in ("openid-configuration", "oauth-authorization-server"):
        found = service.get(f"/.well-known/{place}").json
        assert found["client_id_metadata_document_supported"] is True
        assert "none" in found["token_endpoint_auth_methods_supported"]


def test_a_host_that_is_not_listed_is_no_client(start: Start, site: Site) -> None:
    service = start(CIMD_ALLOW="client.example", EGRESS_ALLOW="127.0.0.0/8")
    app = site.client(service)
    assert is_page(app.authorize())
    reason, detail = explained(service, app)
    assert reason == "cimd_off"
    assert detail.endswith(f"CIMD_ALLOW does not name the host {urlsplit(site.url).hostname}.")
    assert site.fetches == 0


def test_the_operator_who_turns_it_off_ends_what_such_clients_have(
    service: Service, start: Start, site: Site, ann: Account
) -> None:
    """Another instance on the same store, which was started again without it."""
    app = site.client(service)
    code, tokens = app.code(ann), app.tokens(ann)
    resource = a_client(service, kind="service", scopes=(), resources=(FILES,))
    for_files = app.tokens(ann, resource=FILES, scope="openid files:read offline_access")
    assert introspected(resource, for_files["access_token"])
    without = start(on=service, EGRESS_ALLOW="127.0.0.0/8")
    off = replace(app, service=without)
    for reply in (off.redeem(code), off.refresh(tokens["refresh_token"])):
        assert (reply.status_code, reply.json["error"]) == (401, "invalid_client")
    assert not introspected(replace(resource, service=without), for_files["access_token"])
    # The user can still take away what is listed.
    gone = without.send("DELETE", f"/auth/grants/{quote(site.url, safe='')}", token=ann.token)
    assert gone.status_code == 200
    assert app.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def introspected(client: OAuthClient, token: str) -> bool:
    body = urlencode({"client_id": client.id, "client_secret": "lkcs_" + "s" * 43, "token": token}).encode()
    reply = client.service.send("POST", "/oauth/introspect", body=body, content_type=FORM)
    return bool(reply.json["active"])


def test_of_one_host_few_documents_are_fetched_in_a_minute_and_of_others_more(
    service: Service, new_site: Callable[[], Site]
) -> None:
    site, other = new_site(), new_site()
    for number in range(OF_HOST + 5):
        # Each names a URL of its own, so that none is right.
        assert is_page(site.client(service, f"{site.url}/{number}").authorize())
    assert site.fetches == OF_HOST
    reason, detail = explained(service, site.client(service))
    assert (reason, site.fetches) == ("cimd_unreachable", OF_HOST)
    assert "Too many documents of this host" in detail
    body = urlencode(site.client(service).request()).encode()
    assert service.send("POST", "/oauth/par", body=body, content_type=FORM).json["error"] == "temporarily_unavailable"
    assert leads_to(other.client(service).authorize()) == "/login"


# Its pages


def test_pages_of_admitted_hosts_may_read_what_the_token_endpoint_replies(service: Service, start: Start) -> None:
    listed = start(CIMD_ALLOW=".client.example")
    for instance, origin, allowed in (
        (service, "https://any.example", True),
        (service, "http://any.example", False),
        (service, "null", False),
        (listed, "https://app.client.example", True),
        (listed, "https://any.example", False),
        (start(), "https://any.example", False),
    ):
        reply = instance.send("POST", "/oauth/token", body=b"a=b", content_type=FORM, headers={"Origin": origin})
        assert (reply.headers.get("Access-Control-Allow-Origin") == origin) is allowed
        assert "Access-Control-Allow-Credentials" not in reply.headers


def test_what_is_logged_of_a_document_is_one_line_of_json(service: Service, site: Site, log_file: Path) -> None:
    site.status = "404 \x1b[31m"
    site.client(service).authorize()
    (line,) = [line for line in log_file.read_text().splitlines() if site.url in line and "client document" in line]
    entry = json.loads(line)
    assert (entry["client_id"], entry["reason"]) == (site.url, "cimd_unreachable")


def test_the_places_for_documents_are_their_own(service: Service) -> None:
    """Slow servers that strangers name hold up no webhook and no provider."""
    documents = service.wired.get(MetadataDocuments)
    assert documents.egress.calls is not service.wired.get(egress.Egress).calls
