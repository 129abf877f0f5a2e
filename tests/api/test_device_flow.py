"""A device without a browser: it shows a code, its user enters the code on a page, and the device gets its tokens."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from app.oauth.clients.model import Clients
from app.oauth.consents.service import ConsentService
from app.oauth.devices import _ALPHABET
from tests.api.browser import Browser
from tests.api.oauth_flow import FILES, FORM, SECRET, OAuthClient, a_client, basic, claims, name_resources, refused
from tests.api.service import PASSWORD
from tests.api.test_consent_page import follow, main_of
from tests.api.test_pages import heading, hidden
from tests.api.test_second_factors import Person

if TYPE_CHECKING:
    from tests.api.service import Account, Reply, Service, Start

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Tv:
    """A device, with an application on it."""

    def __init__(self, client: OAuthClient) -> None:
        self.client, self.service = client, client.service
        self.codes: dict[str, Any] = {}

    def ask(self, headers: dict[str, str] | None = None, **parameters: Any) -> Reply:
        """Ask for the two codes."""
        usual = {"client_id": self.client.id, "scope": "openid offline_access"}
        sent = {name: value for name, value in (usual | parameters).items() if value is not None}
        body = urlencode(sent, doseq=True).encode()
        reply = self.service.send("POST", "/oauth/device_authorization", body=body, content_type=FORM, headers=headers)
        if reply.status_code == 200:
            self.codes = reply.json
        return reply

    def poll(self, *, wait: float = 6, **parameters: Any) -> Reply:
        """Ask for the tokens, some seconds after the last time."""
        self.service.clock.advance(wait)
        return self.client.token(**{"grant_type": GRANT, "device_code": self.codes["device_code"]} | parameters)


@pytest.fixture
def tv(service: Service) -> Tv:
    name_resources(service)
    return Tv(a_client(service, redirect_uris=(), name="TV & more"))


def enter(browser: Browser, user_code: str) -> Reply:
    return browser.post("/device", user_code=user_code)


def answer(browser: Browser, tv: Tv, given: str = "allow") -> Reply:
    return browser.post("/device", **hidden(enter(browser, tv.codes["user_code"])), answer=given)


def test_a_device_is_told_its_codes_and_where_its_user_enters_them(service: Service, tv: Tv) -> None:
    reply = tv.ask()
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.json.keys() == {
        "device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval",
    }  # fmt: skip
    user_code, page = reply.json["user_code"], f"{service.wired.settings.server.public_url}/device"
    assert len(reply.json["device_code"]) == 43
    assert (user_code[4], set(user_code) - {"-"} <= set(_ALPHABET), len(user_code)) == ("-", True, 9)
    assert (reply.json["verification_uri"], reply.json["verification_uri_complete"]) == (
        page,
        f"{page}?user_code={user_code}",
    )
    assert (reply.json["expires_in"], reply.json["interval"]) == (600, 5)
    assert user_code.replace("-", "") not in str(service.database.contents())
    assert reply.json["device_code"] not in str(service.database.contents())


def test_the_user_allows_it_and_the_device_gets_its_tokens_once(tv: Tv, ann: Account, browser: Browser) -> None:
    tv.ask(scope="openid offline_access files:read", resource=FILES)
    refused(tv.poll(), "authorization_pending")
    asks = enter(browser, tv.codes["user_code"].lower().replace("-", " "))
    assert heading(asks) == "Allow TV & more?"
    assert all(text in main_of(asks) for text in ("Read your files.", "Files", tv.codes["user_code"]))
    done = browser.post("/device", **hidden(asks), answer="allow")
    assert heading(done) == "Your device is connected"
    reply = tv.poll()
    assert reply.status_code == 200
    assert reply.json.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert reply.json["scope"] == "openid offline_access files:read"
    access = claims(reply.json["access_token"])
    assert (access["sub"], access["client_id"], access["aud"]) == (ann.id, tv.client.id, FILES)
    assert claims(reply.json["id_token"])["auth_time"] == access["auth_time"]
    refused(tv.poll(), "invalid_grant")
    assert tv.client.refresh(reply.json["refresh_token"]).status_code == 200


def test_a_device_without_offline_access_gets_one_token_and_a_session_as_long(
    service: Service, tv: Tv, ann: Account, browser: Browser
) -> None:
    tv.ask(scope=None)
    answer(browser, tv)
    found = tv.poll().json
    assert "refresh_token" not in found
    assert service.get("/oauth/userinfo", token=found["access_token"]).status_code == 200
    assert "TV & more" in str(service.get("/auth/sessions", token=ann.token).json["data"]["sessions"])
    service.clock.advance(service.wired.settings.tokens.access_token_seconds - 10)
    renewed = service.post("/auth/refresh", {"refresh_token": ann.refresh_token}).json["data"]["access_token"]
    service.clock.advance(11)
    listed = service.get("/auth/sessions", token=renewed).json["data"]["sessions"]
    assert "TV & more" not in str(listed)


def test_the_user_denies_it(tv: Tv, browser: Browser) -> None:
    tv.ask()
    assert heading(answer(browser, tv, "deny")) == "You have denied it"
    for _ in range(2):
        refused(tv.poll(), "access_denied")
    assert answer_is_refused(enter(browser, tv.codes["user_code"]))


def answer_is_refused(reply: Reply) -> bool:
    return reply.status_code == 422 and "No device waits with this code." in reply.text


def test_whoever_polls_too_fast_is_slowed_down(tv: Tv, browser: Browser) -> None:
    tv.ask()
    refused(tv.poll(wait=0), "authorization_pending")
    refused(tv.poll(wait=1), "slow_down")
    refused(tv.poll(wait=6), "slow_down")
    answer(browser, tv)
    refused(tv.poll(wait=12), "slow_down")
    assert tv.poll(wait=20).status_code == 200


def test_a_code_expires_for_the_device_and_for_the_page(tv: Tv, browser: Browser) -> None:
    tv.ask()
    asks = enter(browser, tv.codes["user_code"])
    refused(tv.poll(wait=600), "expired_token")
    assert answer_is_refused(browser.post("/device", **hidden(asks), answer="allow"))
    refused(tv.poll(), "expired_token")


def test_an_approved_code_expires_too(tv: Tv, browser: Browser) -> None:
    tv.ask()
    answer(browser, tv)
    refused(tv.poll(wait=600), "expired_token")


@pytest.mark.parametrize(
    "typed",
    ["", "BCDF-GHJK", "AAAA-AAAA", "x" * 64, "x" * 65, "<b>", "\uff22\uff23\uff24\uff26\uff27\uff28\uff2a\uff2b"],
)
def test_a_code_that_no_device_shows_is_told_at_its_field(tv: Tv, browser: Browser, typed: str) -> None:
    tv.ask()
    reply = enter(browser, typed)
    assert (reply.status_code, reply.mimetype) == (422, "text/html")
    assert 'id="user_code-error"' in reply.text
    assert "<b>" not in reply.text


def test_a_link_shows_the_code_and_allows_nothing(tv: Tv, browser: Browser) -> None:
    tv.ask()
    page = browser.get("/device", query=urlencode({"user_code": tv.codes["user_code"]}))
    assert (page.status_code, heading(page)) == (200, "Connect a device")
    assert f'value="{tv.codes["user_code"]}"' in page.text
    refused(tv.poll(), "authorization_pending")


def test_who_is_not_logged_in_logs_in_first_and_comes_back(service: Service, tv: Tv, ann: Account) -> None:
    tv.ask()
    stranger = Browser(service)
    login = follow(stranger, stranger.get("/device", query=urlencode({"user_code": tv.codes["user_code"]})))
    assert heading(login) == "Log in"
    back = follow(stranger, stranger.log_in(ann.email, PASSWORD, to=hidden(login)["to"]))
    assert heading(back) == "Connect a device"
    assert f'value="{tv.codes["user_code"]}"' in back.text


def test_without_a_login_nothing_is_answered(service: Service, tv: Tv) -> None:
    tv.ask()
    reply = Browser(service).post("/device", user_code=tv.codes["user_code"], answer="allow", user="x")
    assert reply.status_code == 401
    assert heading(reply) == "You are logged out"
    refused(tv.poll(), "authorization_pending")


def test_an_answer_is_that_of_the_user_who_saw_what_is_asked(service: Service, tv: Tv, browser: Browser) -> None:
    tv.ask()
    asks = hidden(enter(browser, tv.codes["user_code"]))
    bob = service.register()
    browser.log_in(bob.email, PASSWORD)
    reply = browser.post("/device", **asks, answer="allow")
    assert bob.username in main_of(reply) or bob.email in main_of(reply)
    assert heading(reply) == "Allow TV & more?"
    refused(tv.poll(), "authorization_pending")


def test_not_you_leads_to_the_login_of_somebody_else_and_back_to_the_code(
    service: Service, tv: Tv, browser: Browser
) -> None:
    tv.ask()
    asks = enter(browser, tv.codes["user_code"])
    (to,) = re.findall(r'name="to" value="([^"]+)">Log in as somebody else', asks.text)
    login = follow(browser, browser.post("/logout", to=to))
    bob = service.register()
    back = follow(browser, browser.log_in(bob.email, PASSWORD, to=hidden(login)["to"]))
    assert f'value="{tv.codes["user_code"]}"' in back.text
    assert bob.email in main_of(enter(browser, tv.codes["user_code"]))


def test_a_page_of_another_site_answers_nothing(service: Service, tv: Tv, browser: Browser) -> None:
    tv.ask()
    sent = hidden(enter(browser, tv.codes["user_code"])) | {"answer": "allow"}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        reply = service.send(
            "POST", "/device", body=urlencode(sent).encode(), content_type=FORM, headers=headers | {"Cookie": cookies}
        )
        assert reply.status_code == 403
    refused(tv.poll(), "authorization_pending")


def test_what_a_user_allowed_is_listed_and_taken_away_with_the_session(
    service: Service, tv: Tv, ann: Account, browser: Browser
) -> None:
    tv.ask()
    answer(browser, tv)
    assert service.wired.get(ConsentService).holds(ann.id, tv.client.id, (), ())
    found = tv.poll().json
    assert service.send("DELETE", f"/auth/grants/{tv.client.id}", token=ann.token).status_code == 200
    refused(tv.client.refresh(found["refresh_token"]), "invalid_grant")


def test_a_consent_taken_away_before_the_poll_leaves_the_code_worth_nothing(
    service: Service, tv: Tv, ann: Account, browser: Browser
) -> None:
    tv.ask()
    answer(browser, tv)
    service.send("DELETE", f"/auth/grants/{tv.client.id}", token=ann.token)
    refused(tv.poll(), "invalid_grant")


def test_no_consent_is_kept_for_a_client_of_our_own(service: Service, ann: Account, browser: Browser) -> None:
    tv = Tv(a_client(service, redirect_uris=(), first_party=True))
    tv.ask()
    answer(browser, tv)
    found = tv.poll().json
    assert not service.wired.get(ConsentService).holds(ann.id, tv.client.id, (), ())
    assert service.get("/auth/me", token=found["access_token"]).status_code == 200


@pytest.mark.parametrize("act", ["logout", "password", "disable", "delete"])
def test_what_ends_the_logins_of_a_user_ends_what_they_approved(
    service: Service, tv: Tv, ann: Account, browser: Browser, act: str
) -> None:
    tv.ask()
    answer(browser, tv)
    if act == "logout":
        reply = service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    elif act == "password":
        body = {"current_password": PASSWORD, "new_password": "another long password"}
        reply = service.post("/auth/password", body, token=ann.token)
    elif act == "disable":
        boss = service.administrator()
        reply = service.post(f"/admin/users/{ann.id}/disable", token=boss.token)
    else:
        reply = service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=ann.token)
    assert reply.status_code == 200, reply.text
    refused(tv.poll(), "invalid_grant")


def test_a_client_that_is_gone_gets_nothing_and_shows_nothing(service: Service, tv: Tv, browser: Browser) -> None:
    tv.ask()
    service.wired.get(Clients).remove(tv.client.id)
    assert answer_is_refused(enter(browser, tv.codes["user_code"]))
    refused(tv.poll(), "invalid_client", 401)


def test_the_code_of_a_client_is_worth_nothing_to_another(service: Service, tv: Tv, browser: Browser) -> None:
    tv.ask()
    answer(browser, tv)
    thief = Tv(a_client(service, redirect_uris=()))
    thief.codes = tv.codes
    refused(thief.poll(), "invalid_grant")
    assert tv.poll().status_code == 200


def test_a_client_with_a_secret_proves_it_for_both(service: Service, browser: Browser) -> None:
    box = Tv(a_client(service, kind="confidential", redirect_uris=()))
    refused(box.ask(), "invalid_client", 401)
    assert box.ask(basic(box.client.id, SECRET)).status_code == 200
    answer(browser, box)
    refused(box.poll(client_secret="wrong"), "invalid_client", 401)
    assert box.poll().status_code == 200


@pytest.mark.parametrize(
    ("parameters", "error", "status"),
    [
        ({"client_id": None}, "invalid_client", 401),
        ({"client_id": "nobody"}, "invalid_client", 401),
        ({"scope": "openid nope"}, "invalid_scope", 400),
        ({"resource": "https://nowhere.example/"}, "invalid_target", 400),
        ({"scope": ["openid", "email"]}, "invalid_request", 400),
    ],
)
def test_a_request_that_is_not_in_order_is_refused_by_the_word_of_the_rfc(
    tv: Tv, parameters: dict[str, Any], error: str, status: int
) -> None:
    refused(tv.ask(**parameters), error, status)


def test_a_service_has_no_devices(service: Service) -> None:
    refused(Tv(a_client(service, kind="service")).ask(client_secret=SECRET), "unauthorized_client")


@pytest.mark.parametrize("code", ["", "x", "é\0", "x" * 5000])
def test_no_other_code_is_taken(tv: Tv, code: str) -> None:
    tv.ask()
    error = "invalid_request" if not code or "\0" in code else "invalid_grant"
    refused(tv.poll(device_code=code), error)


def test_a_resource_that_was_not_asked_for_is_refused_before_the_code_is_spent(tv: Tv, browser: Browser) -> None:
    tv.ask(resource=FILES)
    answer(browser, tv)
    refused(tv.poll(resource="https://mail.example"), "invalid_target")
    assert tv.poll(resource=FILES).status_code == 200


def test_a_client_that_demands_a_second_factor_has_it_proven_first(service: Service) -> None:
    tv = Tv(a_client(service, redirect_uris=(), require_second_factor=True))
    tv.ask()
    person, browser = Person(service, service.register()), Browser(service)
    browser.log_in(person.account.email, PASSWORD)
    reply = enter(browser, tv.codes["user_code"])
    assert reply.headers["Location"] == f"./login/enrol?to=/device%3Fuser_code%3D{tv.codes['user_code']}"
    person.enrol()
    browser.log_in(person.account.email, PASSWORD)
    # the first login is from before the factor
    assert heading(enter(browser, tv.codes["user_code"])) == "You are logged out"
    refused(tv.poll(), "authorization_pending")
    second = browser.log_in(person.account.email, PASSWORD)
    browser.post("/login/factor", **hidden(second), code=person.code())
    assert heading(answer(browser, tv)) == "Your device is connected"
    assert claims(tv.poll().json["access_token"])["acr"] == "urn:latchkey:aal2"


def test_of_sixteen_polls_at_once_one_gets_tokens(service: Service, tv: Tv, browser: Browser) -> None:
    tv.ask()
    answer(browser, tv)
    service.clock.advance(6)
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _number: tv.poll(wait=0), range(16)))
    assert sorted(reply.status_code for reply in replies) == [200] + [400] * 15
    errors = {json.loads(reply.data)["error"] for reply in replies if reply.status_code == 400}
    assert errors <= {"slow_down", "invalid_grant"}


def test_discovery_names_it_only_where_it_is(start: Start) -> None:
    service = start()
    found = service.get("/.well-known/openid-configuration").json
    own = service.wired.settings.server.public_url
    assert found["device_authorization_endpoint"] == f"{own}/oauth/device_authorization"
    assert GRANT in found["grant_types_supported"]
    without = start(PAGES="off")
    found = without.get("/.well-known/openid-configuration").json
    assert "device_authorization_endpoint" not in found
    assert GRANT not in found["grant_types_supported"]
    assert without.get("/device").status_code == 404
    assert without.send("POST", "/oauth/device_authorization", body=b"", content_type=FORM).status_code == 404


def test_requests_for_codes_are_limited(start: Start) -> None:
    service = start(RATE_LIMIT_DEVICE="2/minute")
    tv = Tv(a_client(service, redirect_uris=()))
    assert [tv.ask().status_code for _ in range(3)] == [200, 200, 429]
    refused(tv.ask(), "temporarily_unavailable", 429)


def test_a_code_lives_as_long_as_the_operator_says(start: Start) -> None:
    tv = Tv(a_client(start(DEVICE_CODE_SECONDS="60"), redirect_uris=()))
    assert tv.ask().json["expires_in"] == 60
    refused(tv.poll(wait=60), "expired_token")
