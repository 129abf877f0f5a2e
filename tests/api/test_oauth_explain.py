"""Why a request to the authorization server is refused: the same verdict as at the endpoint, and nothing is changed."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from app.oauth import refusal
from app.oauth.clients.model import Clients
from app.oauth.consents.model import Consents
from app.oauth.consents.service import ConsentService
from app.oauth.grant_types import DEVICE_CODE
from app.oauth.requests.service import OWN_REQUEST
from app.platform.identifiers import new_id
from tests.api.browser import Browser
from tests.api.oauth_flow import CALLBACK, FILES, SECRET, OAuthClient, a_client, name_resources
from tests.api.service import PASSWORD
from tests.api.test_device_flow import Tv
from tests.api.test_device_flow import answer as answer_device
from tests.api.test_second_factors import Person

if TYPE_CHECKING:
    from tests.api.service import Account, Service, Start

OURS = "http://localhost:5000"
PACKAGE = Path(__file__).parents[2] / "app" / "oauth"
DOCUMENT = Path(__file__).parents[2] / "docs" / "oauth.md"


def test_why_a_url_is_refused_is_explained(service: Service, app: OAuthClient) -> None:
    admin = service.administrator()

    def why(url: str | None = None, **parameters: Any) -> str | None:
        url = url or f"{OURS}/oauth/authorize?{urlencode(app.request(**parameters), doseq=True)}"
        data = service.post("/admin/clients/explain", {"url": url}, token=admin.token).json["data"]
        assert data["accepted"] is (data["reason"] is None)
        assert data["detail"]
        assert ("Note that" in data["detail"]) is (
            url is not None and url.startswith("https://other.example/oauth/authorize")
        )
        return None if data["reason"] is None else str(data["reason"])

    assert why() is None
    assert why(client_id=new_id()) == "unknown_client"
    assert why(redirect_uri=CALLBACK + "/") == "redirect_uri_not_registered"
    assert why(code_challenge=None) == "no_code_challenge"
    assert why(code_challenge_method="plain") == "code_challenge_method"
    assert why(response_type="token") == "response_type"
    assert why(scope="admin") == "scope"
    assert why(resource="https://evil.example") == "resource"
    assert why(prompt="x") == "prompt"
    assert why(request_uri=f"{OWN_REQUEST}x") == "request_uri_expired"
    assert why("https://other.example/oauth/token?client_id=x") == "other_address"
    assert why("https://other.example/oauth/authorize?client_id=x") == "unknown_client"
    assert why(f"{OURS}/oauth/authorize?client_id=a&client_id=b") == "unreadable"
    assert why(f"{OURS}/oauth/authorize?\udcff".encode("utf-8", "replace").decode()) == "unreadable"


def test_why_a_token_request_is_refused_is_explained_and_nothing_is_spent(
    service: Service, app: OAuthClient, ann: Account
) -> None:
    admin = service.administrator()
    code = app.code(ann)

    def why(**parameters: Any) -> str | None:
        asked = {
            "grant_type": "authorization_code", "client_id": app.id, "code": code, "code_verifier": "v" * 43,
        } | parameters  # fmt: skip
        request = {name: value for name, value in asked.items() if value is not None}
        data = service.post("/admin/clients/explain", {"token_request": request}, token=admin.token).json["data"]
        return None if data["reason"] is None else str(data["reason"])

    web = a_client(service, kind="confidential")
    assert why() is None
    assert why(grant_type="password") == "grant_type"
    assert why(grant_type=None) == "grant_type"
    assert why(client_id=new_id()) == "unknown_client"
    assert why(client_secret="x") == "client_secret"
    assert why(client_id=web.id) == "client_secret"
    assert why(client_id=web.id, client_secret=SECRET) == "code_of_other_client"
    assert why(code="x") == "unknown_code"
    assert why(code_verifier="w" * 43) == "code_verifier"
    assert why(redirect_uri=CALLBACK + "/") == "redirect_uri"
    assert why(resource=[FILES]) == "resource"
    assert why(grant_type="client_credentials") == "client_kind"
    assert why(grant_type="refresh_token", refresh_token="x") == "refresh_token"
    found = app.redeem(code).json
    assert why() == "code_used"
    assert why(grant_type="refresh_token", refresh_token=found["refresh_token"]) is None
    assert why(grant_type="refresh_token", refresh_token=found["refresh_token"], scope="email") == "scope"
    code = app.code(ann)
    service.clock.advance(60)
    assert why() == "code_expired"
    code = app.code(ann)
    service.wired.get(ConsentService).consents.remove(ann.id, app.id)
    assert why() == "no_consent"


def explained(service: Service, admin: Account, **request: Any) -> str | None:
    """The reason; None if the request would be accepted."""
    sent = {name: value for name, value in request.items() if value is not None}
    data = service.post("/admin/clients/explain", {"token_request": sent}, token=admin.token).json["data"]
    assert data["accepted"] is (data["reason"] is None)
    return None if data["reason"] is None else str(data["reason"])


def test_a_consent_that_is_explained_was_not_used(service: Service, app: OAuthClient, ann: Account) -> None:
    admin, code = service.administrator(), app.code(ann)
    before = service.wired.get(Consents).of_user(ann.id)
    service.clock.advance(30)
    asked = {"grant_type": "authorization_code", "client_id": app.id, "code": code, "code_verifier": "v" * 43}
    assert explained(service, admin, **asked) is None
    assert service.wired.get(Consents).of_user(ann.id) == before


def test_a_device_code_is_explained_at_each_stage_and_not_polled(service: Service, ann: Account) -> None:
    name_resources(service)
    admin, browser, tv = service.administrator(), Browser(service), Tv(a_client(service, redirect_uris=()))
    browser.log_in(ann.email, PASSWORD)

    def why(**parameters: Any) -> str | None:
        usual = {"grant_type": DEVICE_CODE, "client_id": tv.client.id, "device_code": tv.codes["device_code"]}
        return explained(service, admin, **usual | parameters)

    tv.ask(resource=FILES)
    assert why() == why() == "authorization_pending"
    assert why(device_code=None) == "device_code"
    assert why(device_code="x") == "unknown_code"
    assert why(client_id=a_client(service).id) == "code_of_other_client"
    answer_device(browser, tv)
    assert why() is None
    assert why(resource=[FILES, "https://other.example"]) == "resource"
    assert tv.poll(wait=0).status_code == 200  # none of that was a poll
    assert why() == "code_used"
    tv.ask()
    answer_device(browser, tv, "deny")
    assert why() == "access_denied"
    service.clock.advance(600)
    assert why() == "code_expired"
    tv.ask()
    answer_device(browser, tv)
    service.wired.get(ConsentService).consents.remove(ann.id, tv.client.id)
    assert why() == "no_consent"
    service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    assert why() == "login_ended"


def test_a_refresh_token_is_explained_as_it_is_taken(service: Service, app: OAuthClient, ann: Account) -> None:
    admin, first = service.administrator(), app.tokens(ann)["refresh_token"]

    def why(token: str, client: OAuthClient = app, **parameters: Any) -> str | None:
        usual = {"grant_type": "refresh_token", "client_id": client.id, "refresh_token": token}
        return explained(service, admin, **usual | parameters)

    second = app.refresh(first).json["refresh_token"]
    assert why(first) is None  # within its grace
    assert app.refresh(first).status_code == 200
    assert why(second) is None
    assert why(second, a_client(service)) == "refresh_of_other_client"
    assert why(second, resource=FILES) == "resource"
    clients = service.wired.get(Clients)
    for number, (scopes, reason) in enumerate([(("openid",), "client_may_less"), (app.client.scopes, None)], 1):
        assert clients.save(replace(app.client, scopes=scopes, revision=number))
        assert why(second) == reason
    service.clock.advance(service.wired.settings.tokens.refresh_grace_seconds)
    assert why(first) == "refresh_token"
    assert why(second) is None
    assert app.refresh(second).status_code == 200


def test_what_an_account_or_a_client_lacks_by_now_is_explained(start: Start) -> None:
    service = start()
    app, admin, ann = a_client(service), service.administrator(), service.register()
    asked = {"grant_type": "authorization_code", "client_id": app.id, "code_verifier": "v" * 43}
    code = app.code(ann)
    strict = start(on=service, REQUIRE_VERIFIED_EMAIL="on")
    admin_there = admin
    assert explained(strict, admin_there, **asked, code=code) == "login_lacks"
    clients = service.wired.get(Clients)
    assert clients.save(replace(app.client, require_second_factor=True, revision=1))
    assert explained(service, admin, **asked, code=code) == "client_may_less"
    assert clients.save(replace(app.client, redirect_uris=("https://app.example/other",), revision=2))
    assert explained(service, admin, **asked, code=code) == "redirect_uri_not_registered"
    assert clients.save(replace(app.client, revision=3))
    assert explained(service, admin, **asked, code=code) is None
    Person(service, ann).enrol()
    code_of_bob = app.code(service.register())
    assert explained(service, admin, **asked, code=code_of_bob) is None
    assert explained(service, admin, **asked, code=code) in {"login_ended", "code_expired"}
    assert app.redeem(code_of_bob).status_code == 200


def test_every_reason_is_in_the_documentation() -> None:
    text = DOCUMENT.read_text().partition("## Why is it refused?")[2].partition("\n## ")[0]
    known = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")} - {"reason"}
    assert reasons() == known


def reasons() -> set[str]:
    """Those that the code gives: an argument of a RefusedError or a Verdict, or in a table of faults."""
    found: set[object] = set()
    for name in (
        "assertions.py", "authorization.py", "devices.py", "exchange.py", "explain/service.py", "parameters.py",
        "registry.py", "requests/service.py",
    ):  # fmt: skip
        for node in ast.walk(ast.parse((PACKAGE / name).read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"RefusedError": 2, "Verdict": 0}.get(node.func.id, len(node.args))
                arguments = node.args[place : place + 1]
                found |= {each.value for each in arguments if isinstance(each, ast.Constant)}
                found |= {getattr(refusal, each.id, None) for each in arguments if isinstance(each, ast.Name)}
            elif isinstance(node, ast.Dict) and name.startswith("explain"):
                found |= {key.value for key in node.keys if isinstance(key, ast.Constant)}
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.List):
                pairs = (each for each in node.value.elts if isinstance(each, ast.Tuple))
                found |= {pair.elts[0].value for pair in pairs if isinstance(pair.elts[0], ast.Constant)}
    return {str(each) for each in found if each is not None} | {"state", "nonce"}  # named by `short_value_of`
