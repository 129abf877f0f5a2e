"""What happens to an account, a login or a client while a client is between two steps with it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from app.oauth.catalogue.model import CatalogueBooks, Resource, Scope
from app.oauth.clients.model import Clients
from app.oauth.consents.model import Consents
from tests.api.browser import FORM, ORIGIN, Browser
from tests.api.mailbox import newest_to
from tests.api.oauth_flow import (
    CALLBACK,
    FILES,
    MAIL,
    SECRET,
    OAuthClient,
    a_client,
    answer_of,
    basic,
    claims,
    name_resources,
    refused,
    stored,
)
from tests.api.service import PASSWORD, Account
from tests.api.test_device_flow import Tv, enter
from tests.api.test_device_flow import answer as answer_device
from tests.api.test_pages import heading, hidden
from tests.api.test_second_factors import Person

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.service import Reply, Service, Start

OWN = ORIGIN
"""JWT_AUDIENCE."""
LESS: dict[str, dict[str, Any]] = {
    "a scope": {"scopes": ("openid", "profile", "offline_access")},
    "a resource": {"resources": (MAIL,)},
    "its trust": {"first_party": False},
}
"""What an administrator takes away from a client of the first party that asked for `email` and for FILES."""
NO_LESS: dict[str, dict[str, Any]] = {
    "another scope": {"scopes": ("openid", "email", "offline_access", "files:read")},
    "no scope of ours but what everybody has": {"scopes": ("email", "offline_access")},
    "another resource": {"resources": (FILES,)},
    "a name": {"name": "Another"},
}
ASKED: dict[str, Any] = {"scope": "openid email offline_access", "resource": [OWN, FILES]}


@pytest.fixture
def ours(service: Service) -> OAuthClient:
    """A client of the first party, with lists."""
    name_resources(service)
    return a_client(service, first_party=True, resources=(FILES, MAIL))


def change(app: OAuthClient, **changes: Any) -> None:
    """Write another client in the place of this one, and nothing else: as if what ends its sessions had failed."""
    clients = app.service.wired.get(Clients)
    found = clients.find(app.id)
    assert found is not None
    assert clients.save(replace(found, revision=found.revision + 1, **changes))


def sessions_of(service: Service, account: Account) -> int:
    return len(service.get("/auth/sessions", token=account.token).json["data"]["sessions"])


def has_opened(service: Service, account: Account) -> int:
    """How many sessions were opened for an account, with those that have ended."""
    events = service.get("/auth/events?limit=100", token=account.token).json["data"]["events"]
    return [event["action"] for event in events].count("session.opened")


def sent(browser: Browser, client: OAuthClient, **parameters: Any) -> Reply:
    return browser.get("/oauth/authorize", query=urlencode(client.request(**parameters), doseq=True))


def told(reply: Reply) -> dict[str, str]:
    """What the client is told at its redirect URI."""
    assert reply.status_code == 303, reply.text
    assert reply.headers["Location"].startswith(CALLBACK)
    return answer_of(reply.headers["Location"])


# What a client loses


@pytest.mark.parametrize("less", LESS.values(), ids=LESS)
def test_what_a_client_has_lost_since_voids_its_code(
    service: Service, ours: OAuthClient, ann: Account, less: dict[str, Any]
) -> None:
    code = ours.code(ann, **ASKED)
    change(ours, **less)
    known = has_opened(service, ann)
    refused(ours.redeem(code))
    assert (sessions_of(service, ann), has_opened(service, ann)) == (1, known)


@pytest.mark.parametrize("changes", NO_LESS.values(), ids=NO_LESS)
def test_a_code_and_a_refresh_token_survive_what_does_not_concern_them(
    ours: OAuthClient, ann: Account, changes: dict[str, Any]
) -> None:
    code = ours.code(ann, **ASKED)
    change(ours, **changes)
    found = ours.redeem(code)
    assert found.status_code == 200, found.text
    assert ours.refresh(found.json["refresh_token"]).status_code == 200


@pytest.mark.parametrize("less", LESS.values(), ids=LESS)
def test_what_a_client_loses_while_its_session_is_opened_ends_the_session(
    service: Service, ours: OAuthClient, less: dict[str, Any]
) -> None:
    """It is lost at one reading of the clock in the redemption, and each is tried in turn."""
    whole = {"scopes": ours.client.scopes, "resources": ours.client.resources, "first_party": True}
    late = 0
    for moment in range(100):
        ann = service.register()
        code = ours.code(ann, **ASKED)
        looks, opened = 0, 0

        def lose(account_id: str = ann.id, moment: int = moment) -> None:
            nonlocal looks, opened
            looks += 1
            if looks == moment + 1:
                opened = len(service.store.sessions.of_user(account_id, service.clock.now))
                change(ours, **less)

        service.clock.at_each_call = lose
        try:
            reply = ours.redeem(code)
        finally:
            service.clock.at_each_call = lambda: None
        change(ours, **whole)
        if looks <= moment:
            break
        if reply.status_code == 200:  # for whoever takes it away: they end the session that they find now
            assert opened == 2
        else:
            refused(reply)
            late += stored(service, code).used_at is not None
            assert sessions_of(service, ann) == 1
    assert late, "nothing was lost between spending the code and opening its session"


@pytest.mark.parametrize("less", LESS.values(), ids=LESS)
@pytest.mark.parametrize("repeated", [False, True])
def test_a_session_that_has_what_its_client_has_lost_ends_with_the_refresh(
    service: Service, ours: OAuthClient, ann: Account, less: dict[str, Any], *, repeated: bool
) -> None:
    found = ours.tokens(ann, **ASKED)
    if repeated:  # the token of before is good for the grace time
        assert ours.refresh(found["refresh_token"]).status_code == 200
    change(ours, **less)
    assert service.get("/oauth/userinfo", token=found["access_token"]).status_code == 200
    refused(ours.refresh(found["refresh_token"]))
    assert service.get("/oauth/userinfo", token=found["access_token"]).status_code == 401
    change(ours, scopes=ours.client.scopes, resources=ours.client.resources, first_party=True)
    refused(ours.refresh(found["refresh_token"]))


def test_a_client_that_demands_a_second_factor_by_now_gets_nothing_for_a_login_without_one(
    service: Service, app: OAuthClient, ann: Account, browser: Browser
) -> None:
    code, tv = app.code(ann), Tv(a_client(service, redirect_uris=()))
    tv.ask()
    answer_device(browser, tv)
    for each in (app, tv.client):
        change(each, require_second_factor=True)
    refused(app.redeem(code))
    refused(tv.poll())
    assert sessions_of(service, ann) == 2  # her two logins


def test_what_a_client_has_lost_since_voids_what_a_user_approved_for_a_device(
    service: Service, browser: Browser, ann: Account
) -> None:
    name_resources(service)
    known = has_opened(service, ann)
    for less in ({"scopes": ("openid", "offline_access")}, {"resources": ()}):
        tv = Tv(a_client(service, redirect_uris=()))
        tv.ask(scope="openid email offline_access", resource=FILES)
        assert heading(answer_device(browser, tv)) == "Your device is connected"
        change(tv.client, **less)
        refused(tv.poll())
    assert (sessions_of(service, ann), has_opened(service, ann)) == (2, known)


@pytest.mark.parametrize(
    "asked",
    [
        {"scope": "openid offline_access photos:read"},
        {"scope": "openid offline_access", "resource": "https://photos.example"},
    ],
    ids=["scope", "resource"],
)
def test_what_is_deleted_from_the_catalogue_is_granted_by_nothing_that_was_given_before(
    service: Service, browser: Browser, ann: Account, asked: dict[str, str]
) -> None:
    name_resources(service)
    books = service.wired.get(CatalogueBooks)
    before = books.load()
    more = replace(
        before,
        version=before.version + 1,
        scopes=(*before.scopes, Scope("photos:read", "Read your photos.")),
        resources=(*before.resources, Resource("https://photos.example", "Photos")),
    )
    assert books.save(more)
    app = a_client(service, scopes=("openid", "offline_access", "photos:read"))
    code, tv, kept = app.code(ann, None, **asked), Tv(app), app.tokens(ann, **asked)
    tv.ask(None, **asked)
    answer_device(browser, tv)
    assert books.save(replace(before, version=more.version + 1))
    refused(app.redeem(code))
    refused(tv.poll())
    assert app.refresh(kept["refresh_token"]).status_code == 200


def test_a_redirect_uri_that_is_removed_voids_the_codes_that_went_there(ours: OAuthClient, ann: Account) -> None:
    code, there = ours.code(ann), "http://127.0.0.1:8765/cb"
    change(ours, redirect_uris=("https://app.example/other", "http://127.0.0.1/cb"))
    refused(ours.redeem(code))
    assert ours.redeem(ours.code(ann, redirect_uri=there), redirect_uri=there).status_code == 200


def test_a_consent_that_is_given_again_for_less_is_none_for_what_was_given_before(
    service: Service, app: OAuthClient, browser: Browser, ann: Account
) -> None:
    code, tv = app.code(ann, scope="openid email"), Tv(app)
    tv.ask(scope="openid email")
    answer_device(browser, tv)
    assert service.send("DELETE", f"/auth/grants/{app.id}", token=ann.token).status_code == 200
    less = app.code(ann, scope="openid")
    refused(app.redeem(code))
    refused(tv.poll())
    assert app.redeem(less).status_code == 200


def test_a_client_whose_secret_is_removed_redeems_with_the_other_one(service: Service, ann: Account) -> None:
    web = a_client(service, kind="confidential")
    admin, path = service.administrator(), f"/admin/clients/{web.id}/secrets"
    code = web.code(ann)
    second = service.post(path, {}, token=admin.token).json["data"]["client_secret"]
    first = web.client.secrets[0].id
    assert service.send("DELETE", f"{path}/{first}", token=admin.token).status_code == 200
    refused(web.redeem(code), "invalid_client", 401)
    found = web.redeem(code, client_secret=second)
    assert found.status_code == 200
    refused(web.refresh(found.json["refresh_token"]), "invalid_client", 401)
    assert web.refresh(found.json["refresh_token"], client_secret=second).status_code == 200


# What becomes of the account and its logins


def test_a_code_and_a_refresh_end_with_the_factors_and_the_status_of_the_account(
    service: Service, app: OAuthClient
) -> None:
    ends: dict[str, Callable[[Account], object]] = {
        "a factor": lambda account: Person(service, account).enrol(),
        "disabled": lambda account: service.post(
            f"/admin/users/{account.id}/disable", token=service.administrator().token
        ),
        "logged out": lambda account: service.post(
            f"/admin/users/{account.id}/logout", token=service.administrator().token
        ),
    }
    for end in ends.values():
        account = service.register()
        code, found = app.code(account), app.tokens(account)
        end(account)
        refused(app.redeem(code))
        refused(app.refresh(found["refresh_token"]))
        assert service.get("/oauth/userinfo", token=found["access_token"]).status_code == 401


def test_a_code_given_before_a_change_of_address_tells_of_the_new_one(
    service: Service, app: OAuthClient, ann: Account
) -> None:
    code, new = app.code(ann, scope="openid email"), f"new.{ann.email}"
    assert service.post("/auth/email", {"email": new, "password": PASSWORD}, token=ann.token).status_code == 202
    token = newest_to(service, new).token
    assert service.post("/auth/email/verify", {"token": token}).status_code == 200
    found = claims(app.redeem(code).json["id_token"])
    assert (found["email"], found["email_verified"]) == (new, True)


def test_an_administrator_who_acts_for_a_user_gives_no_client_anything(start: Start) -> None:
    service = start(IMPERSONATION="on")
    app, boss, ann = a_client(service), service.administrator(), service.register()
    code, found = app.code(ann), app.tokens(ann)
    reply = service.post(f"/admin/users/{ann.id}/impersonate", {"reason": "Ticket"}, token=boss.token)
    acting = reply.json["data"]["access_token"]
    assert service.get("/oauth/userinfo", token=acting).status_code == 403
    assert service.send("DELETE", f"/auth/grants/{app.id}", token=acting).status_code == 403
    page = app.authorize(headers={"Authorization": f"Bearer {acting}"})
    assert page.headers["Location"].startswith(f"{ORIGIN}/login?")
    service.post("/auth/logout", {}, token=acting)
    assert app.redeem(code).status_code == 200
    assert app.refresh(found["refresh_token"]).status_code == 200


def test_a_client_of_the_first_party_can_do_no_more_than_its_user_can_now(service: Service, ours: OAuthClient) -> None:
    service.administrator()  # another one stays
    boss = service.administrator()
    code, token = ours.code(boss), ours.tokens(boss)["access_token"]
    assert service.get("/admin/clients", token=token).status_code == 200
    reply = service.send("PUT", f"/admin/users/{boss.id}/roles", json={"roles": ["member"]}, token=boss.token)
    assert reply.status_code == 200
    assert service.get("/admin/clients", token=token).status_code == 403
    later = ours.redeem(code).json["access_token"]
    assert claims(later)["roles"] == ["member"]
    assert service.get("/admin/clients", token=later).status_code == 403


def test_a_login_that_lacks_a_factor_by_now_proves_it_before_a_code_is_given(
    service: Service, ours: OAuthClient, app: OAuthClient
) -> None:
    """The account got a factor in this session, which goes on, and has proven a password alone."""
    person = Person(service, service.register())
    browser = Browser(service)
    browser.log_in(person.account.email, PASSWORD)
    (page,) = (
        each["id"]
        for each in service.get("/auth/sessions", token=person.token).json["data"]["sessions"]
        if not each["current"]
    )
    person.enrol()
    found = service.store.users.account(person.account.id)
    assert found is not None
    assert service.store.users.save(replace(found, kept_session=page), [])
    for client in (ours, app):
        assert told(sent(browser, client, prompt="none"))["error"] == "login_required"
        reply = sent(browser, client)
        assert reply.headers["Location"].startswith(f"{ORIGIN}/login/factor?")
    factor = browser.get(*reply.headers["Location"].removeprefix(ORIGIN).split("?"))
    assert browser.post("/login/factor", request=hidden(factor)["request"], code=person.code()).status_code == 303
    code = told(sent(browser, ours))["code"]
    assert claims(ours.redeem(code).json["access_token"])["acr"] == "urn:latchkey:aal2"


def test_a_login_from_before_a_factor_was_required_gives_no_code(start: Start) -> None:
    before = start()
    ann, ours = before.register(), a_client(before, first_party=True)
    tv = Tv(a_client(before, redirect_uris=()))
    tv.ask()
    service = start(on=before, REQUIRE_SECOND_FACTOR="all")
    browser = Browser(before)
    browser.log_in(ann.email, PASSWORD)
    browser.service = service
    assert told(sent(browser, ours, prompt="none"))["error"] == "login_required"
    page = sent(browser, ours)
    assert "code=" not in page.headers.get("Location", "")
    tv.client = OAuthClient(service, tv.client.client)
    assert enter(browser, tv.codes["user_code"]).headers["Location"].startswith("./login/enrol?")
    refused(tv.poll(), "authorization_pending")


def test_an_address_that_has_to_be_verified_by_now_is_told_on_a_page(start: Start) -> None:
    before = start()
    ann, ours = before.register(), a_client(before, first_party=True)
    tv = Tv(a_client(before, redirect_uris=()))
    tv.ask()
    browser = Browser(before)
    browser.log_in(ann.email, PASSWORD)
    browser.service = start(on=before, REQUIRE_VERIFIED_EMAIL="on")
    for page in (sent(browser, ours), answer_device(browser, tv)):
        assert page.status_code == 400
        assert "log in again" in page.text
    assert told(sent(browser, ours, prompt="none"))["error"] == "login_required"


def test_where_accounts_are_hidden_the_pages_say_the_same_of_a_name_that_there_is_and_one_that_there_is_not(
    start: Start,
) -> None:
    service = start(HIDE_ACCOUNTS="on")
    ann, ours = service.hidden_account(), a_client(service, first_party=True)
    replies = []
    for name in (ann.email, "nobody@example.org"):
        page = sent(Browser(service), ours, login_hint=name)
        login = Browser(service).get(*page.headers["Location"].removeprefix(ORIGIN).split("?"))
        request = hidden(login)["request"]
        reply = Browser(service).log_in(name, "a wrong battery staple", request=request)
        replies.append(
            [(each.status_code, each.text.replace(name, "").replace(request, "")) for each in (login, reply)]
        )
    assert replies[0] == replies[1]
    assert replies[0][1][0] == 401


# A body that is held back


class Held(io.RawIOBase):
    """A body; something happens while the server waits for it."""

    def __init__(self, content: bytes, meanwhile: Callable[[], object]) -> None:
        self.content = io.BytesIO(content)
        self.meanwhile: Callable[[], object] | None = meanwhile

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()
        return self.content.readinto(into)


def hold(service: Service, path: str, meanwhile: Callable[[], object], headers: dict[str, str], **fields: Any) -> Reply:
    """Post a form in chunks; `meanwhile` happens behind the head of the request."""
    held = {
        "wsgi.input": Held(urlencode(fields).encode(), meanwhile),
        "CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True,
    }  # fmt: skip
    return service.send("POST", path, content_type=FORM, environ=held, headers=headers)


def test_a_form_that_is_held_back_over_a_logout_gives_nothing(
    service: Service, app: OAuthClient, ann: Account, browser: Browser
) -> None:
    page = sent(browser, app)
    consent = browser.get(*page.headers["Location"].removeprefix(ORIGIN).split("?"))
    tv = Tv(a_client(service, redirect_uris=()))
    tv.ask()
    device = browser.post("/device", user_code=tv.codes["user_code"])
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"Accept": "text/html", "Origin": ORIGIN, "Cookie": cookies}

    def log_out() -> None:
        assert service.post("/auth/logout", {"scope": "all"}, token=ann.token).status_code == 200

    reply = hold(service, "/consent", log_out, headers, **hidden(consent), answer="allow")
    assert "code=" not in reply.headers.get("Location", "")
    ann = Account(service.login(ann.email).json["data"], ann.email, ann.username)
    assert browser.log_in(ann.email, PASSWORD).status_code == 303
    headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    hold(service, "/device", log_out, headers, **hidden(device), answer="allow")
    refused(tv.poll(), "authorization_pending")
    assert service.wired.get(Consents).of_user(ann.id) == []


def test_a_token_request_that_is_held_back_over_a_logout_gives_nothing(
    service: Service, app: OAuthClient, ann: Account
) -> None:
    code, found = app.code(ann), app.tokens(ann)

    def log_out() -> None:
        assert service.post("/auth/logout", {"scope": "all"}, token=ann.token).status_code == 200

    fields = {"client_id": app.id, "grant_type": "authorization_code", "code": code, "code_verifier": "v" * 43}
    refused(hold(service, "/oauth/token", log_out, {}, **fields))
    fields = {"client_id": app.id, "grant_type": "refresh_token", "refresh_token": found["refresh_token"]}
    refused(hold(service, "/oauth/token", lambda: None, {}, **fields))


# What is sent beside


def test_a_resource_that_was_not_authorized_is_refused_at_the_token_endpoint(
    service: Service, app: OAuthClient, ann: Account
) -> None:
    code = app.code(ann)
    refused(app.redeem(code, resource=FILES), "invalid_target")
    assert sessions_of(service, ann) == 1
    refused(app.redeem(code))  # it is spent, as by a wrong verifier


def test_a_pushed_request_is_its_clients_and_nothing_beside_it_counts(service: Service, browser: Browser) -> None:
    name_resources(service)
    web, other = (a_client(service, kind="confidential", first_party=True) for _ in range(2))

    def push(headers: dict[str, str] | None = None, **parameters: Any) -> Reply:
        body = urlencode({"client_secret": SECRET} | web.request(**parameters)).encode()
        return service.send("POST", "/oauth/par", body=body, content_type=FORM, headers=headers)

    uri = push().json["request_uri"]
    stolen = browser.get("/oauth/authorize", query=urlencode({"client_id": other.id, "request_uri": uri}))
    assert stolen.status_code == 400
    nobodys = browser.get("/oauth/authorize", query=urlencode({"request_uri": uri}))
    assert nobodys.status_code == 400
    beside = {"client_id": web.id, "request_uri": uri, "scope": "openid email", "state": "other", "prompt": "login",
              "redirect_uri": "https://evil.example"}  # fmt: skip
    found = told(browser.get("/oauth/authorize", query=urlencode(beside)))
    assert found["state"] == "st"
    assert stored(service, found["code"]).scopes == ("openid", "offline_access")
    again = browser.get("/oauth/authorize", query=urlencode({"client_id": web.id, "request_uri": uri}))
    assert again.status_code == 400
    body = urlencode(web.request()).encode()
    headers = basic(other.id, SECRET)
    refused(service.send("POST", "/oauth/par", body=body, content_type=FORM, headers=headers), "invalid_client", 401)
    refused(push(request_uri=uri), "invalid_request")


def test_basic_authentication_may_be_percent_encoded(service: Service, ann: Account) -> None:
    """RFC 6749 section 2.3.1; some clients encode all that they may."""
    web = a_client(service, kind="confidential")

    def encoded(text: str) -> str:
        return "".join(f"%{ord(letter):02X}" for letter in text)

    for header in (
        basic(web.id, SECRET),
        basic(encoded(web.id), encoded(SECRET)),
        basic(encoded(web.id).lower(), SECRET),
    ):
        assert web.redeem(web.code(ann), header, client_id=None).status_code == 200
    refused(web.redeem(web.code(ann), basic(web.id, encoded(encoded(SECRET)))), "invalid_client", 401)


def test_a_state_of_2000_characters_comes_back_and_a_longer_one_is_told(browser: Browser, ours: OAuthClient) -> None:
    state = "".join(chr(0x21 + number % 0x5E) for number in range(2000))
    found = told(sent(browser, ours, state=state))
    assert (found["state"], "code" in found) == (state, True)
    found = told(sent(browser, ours, state=state + "x"))
    assert (found["error"], found["state"]) == ("invalid_request", state + "x")


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "none", "max_age": "0"}, "login_required"),
        ({"prompt": "login", "max_age": "-1"}, "invalid_request"),
        ({"prompt": "none", "acr_values": "urn:latchkey:aal2"}, "unmet_authentication_requirements"),
    ],
)
def test_what_contradicts_itself_or_cannot_be_is_told(
    service: Service, browser: Browser, ours: OAuthClient, parameters: dict[str, str], error: str
) -> None:
    service.clock.advance(1)
    assert told(sent(browser, ours, **parameters))["error"] == error


@pytest.mark.parametrize("hint", ['"><script>alert(1)</script>', "' onfocus=x ", "ann\u202e@example.com", "x" * 3000])
def test_a_login_hint_is_text_in_a_field_and_nothing_else(service: Service, ours: OAuthClient, hint: str) -> None:
    reply = sent(Browser(service), ours, login_hint=hint)
    page = Browser(service).get(*reply.headers["Location"].removeprefix(ORIGIN).split("?"))
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "onfocus=x" not in page.text.replace("&#39; onfocus=x", "")


# What accepts the tokens


def test_our_own_api_refuses_tokens_for_others_and_a_proxy_is_told_so(
    service: Service, ours: OAuthClient, app: OAuthClient, ann: Account
) -> None:
    paths = ("/auth/me", "/auth/verify", "/oauth/userinfo", "/auth/sessions")

    def statuses(client: OAuthClient, **asked: Any) -> list[int]:
        token = client.tokens(ann, **asked)["access_token"]
        return [service.get(path, token=token).status_code for path in paths]

    assert statuses(ours) == [200, 200, 200, 200]
    assert statuses(ours, resource=[OWN, FILES]) == [200, 200, 200, 200]
    assert statuses(ours, resource=FILES) == [401, 401, 401, 401]
    assert statuses(app) == [403, 403, 200, 403]
    assert statuses(app, resource=[OWN, MAIL]) == [403, 403, 200, 403]
    assert statuses(app, resource=MAIL) == [401, 401, 401, 401]
    narrowed = ours.redeem(ours.code(ann, resource=[OWN, FILES]), resource=FILES).json["access_token"]
    assert service.get("/auth/me", token=narrowed).status_code == 401


def test_a_token_without_openid_is_told_which_scope_userinfo_needs(
    service: Service, app: OAuthClient, ann: Account
) -> None:
    reply = service.get("/oauth/userinfo", token=app.tokens(ann, scope="profile")["access_token"])
    refused(reply, "insufficient_scope", 403)
    assert reply.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="openid"'
