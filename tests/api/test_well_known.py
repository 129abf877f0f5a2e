"""What browsers and password managers look for at a fixed place, and where it leads them."""

import re

import pytest

from tests.api.service import Service, Start

HOME = "https://auth.example.com"
DOCUMENTS = ["/.well-known/passkey-endpoints", "/.well-known/webauthn"]


def test_a_password_manager_is_led_to_the_page_that_sets_a_new_password(service: Service, start: Start) -> None:
    reply = start(on=service, PUBLIC_URL=f"{HOME}/api/auth").get("/.well-known/change-password")
    assert (reply.status_code, reply.data) == (302, b"")
    assert reply.headers["Location"] == f"{HOME}/api/auth/reset-password"
    assert reply.headers["Cache-Control"] == "no-store"
    assert service.get("/reset-password").status_code == 200


def test_the_host_header_does_not_decide_where_it_leads(service: Service) -> None:
    reply = service.get("/.well-known/change-password", headers={"Host": "evil.example"})
    assert reply.headers["Location"] == "http://localhost:5000/reset-password"


def test_a_browser_sees_that_not_every_well_known_path_leads_somewhere(service: Service) -> None:
    """Or it would not believe the redirect (W3C, "Detecting the reliability of HTTP status codes")."""
    path = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"
    assert service.get(path).status_code == 404


def test_a_password_manager_learns_where_passkeys_are_managed(service: Service, start: Start) -> None:
    reply = start(on=service, PUBLIC_URL=f"{HOME}/api/auth").get("/.well-known/passkey-endpoints")
    page = f"{HOME}/api/auth/account/passkeys"
    assert reply.json == {"enroll": page, "manage": page}
    assert service.get("/account/passkeys").status_code == 200


@pytest.mark.parametrize(
    ("origins", "published"),
    [
        (f"{HOME},https://shop.example.net", [HOME, "https://shop.example.net"]),
        (f"android:apk-key-hash:{'A' * 43},{HOME}", [HOME]),
        ("http://localhost:3000", []),
    ],
)
def test_browsers_learn_which_other_origins_may_use_the_passkeys(
    service: Service, start: Start, origins: str, published: list[str]
) -> None:
    assert start(on=service, PASSKEY_ORIGINS=origins).get("/.well-known/webauthn").json == {"origins": published}


@pytest.mark.parametrize("path", DOCUMENTS)
def test_the_documents_are_bare_json_that_everybody_may_read_and_keep(service: Service, path: str) -> None:
    reply = service.get(path, headers={"Origin": "https://other.example"})
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert re.fullmatch(r"public, max-age=[1-9]\d*", reply.headers["Cache-Control"])
    again = service.get(path, headers={"If-None-Match": reply.headers["ETag"]})
    assert again.status_code == 304
