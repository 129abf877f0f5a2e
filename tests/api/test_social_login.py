"""Logging in with an account at a provider: who is let in, who is linked, and what never is."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.outbox.service import Outbox
from app.platform.devices import Device
from app.platform.errors import InvalidCode
from app.security.digests import s256
from app.security.published import KEPT_FOR
from app.social.flows.model import Flows
from app.social.identities.model import Identities, digest_of
from app.social.service import CODE_LIVES, LIVES, ProviderLogins
from tests.api.mailbox import mails_to, newest_to
from tests.api.providers import APP, COOKIE, TARGET, Browser, Files, code_of, later, told
from tests.api.service import PASSWORD, Account, Service, Start
from tests.api.test_second_factors import Person
from tests.servers.openid import Provider
from tests.unit.instance import session_of

DEVICE = Device("192.0.2.1", "curl/8.5.0")
pytestmark = pytest.mark.usefixtures("upstream_as_usual")


@pytest.fixture(scope="module")
def service(start: Start, files: Files) -> Service:
    trusted = files.provider("trusted", name="Trusted", trust_email=True)
    return start(
        EGRESS_ALLOW="127.0.0.1",
        CORS_ORIGINS=APP,
        PROVIDERS_FILE=files.of(
            trusted,
            {**trusted, "id": "linking", "link": "verified"},
            {**trusted, "id": "never", "link": "never"},
            {**trusted, "id": "members", "allow_signup": False},
            {**trusted, "id": "ours", "email_domains": ["ours.example"]},
            files.provider("plain"),
        ),
    )


@pytest.fixture
def browser(service: Service, upstream: Provider) -> Browser:
    return Browser(service, upstream)


def verified(service: Service) -> Account:
    ann = service.register()
    reply = service.post("/auth/email/verify", {"token": newest_to(service, ann.email).token})
    assert reply.status_code == 200, reply.text
    return Account(service.login(ann.email).json["data"], ann.email, ann.username)


def subjects_to(service: Service, email: str) -> list[str]:
    return [mail.subject for mail in mails_to(service, email)]


def identities(service: Service, token: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get("/auth/identities", token=token).json["data"]["identities"]
    return found


# There and back


def test_the_providers_are_listed_in_the_order_of_the_file(service: Service) -> None:
    found = service.get("/auth/providers").json["data"]["providers"]
    assert found[0] == {"id": "trusted", "name": "Trusted", "kind": "oidc"}
    assert [each["id"] for each in found] == ["trusted", "linking", "never", "members", "ours", "plain"]


def test_the_address_at_the_provider_asks_for_a_code_with_pkce_and_a_nonce(browser: Browser) -> None:
    url = urlsplit(browser.start())
    asked = parse_qs(url.query)
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{browser.upstream.url}/authorize"
    assert asked["tenant"] == ["1"]
    assert asked["response_type"] == ["code"]
    assert asked["client_id"] == ["latchkey"]
    assert asked["redirect_uri"] == ["http://localhost:5000/auth/providers/trusted/callback"]
    assert asked["scope"] == ["openid email profile"]
    assert asked["code_challenge_method"] == ["S256"]
    assert [len(asked[name][0]) for name in ("state", "nonce", "code_challenge")] == [43, 43, 43]


def test_somebody_new_is_registered_with_the_address_that_the_provider_proves(browser: Browser, sub: str) -> None:
    email = f"{sub}@example.com"
    reply = browser.log_in(sub=sub, email=email, email_verified=True, name="Ann Example")
    assert reply.status_code == 200, reply.text
    user = reply.json["data"]["user"]
    assert (user["email"], user["email_verified"], user["name"]) == (email, True, "Ann Example")
    (identity,) = identities(browser.service, reply.json["data"]["access_token"])
    assert (identity["provider"], identity["subject"], identity["email"]) == ("trusted", sub, email)
    claims = jwt.decode(reply.json["data"]["access_token"], options={"verify_signature": False})
    assert (claims["amr"], claims["acr"]) == (["fed"], "urn:latchkey:aal1")


def test_whoever_was_there_before_is_logged_in_by_issuer_and_subject_alone(browser: Browser, sub: str) -> None:
    first = browser.log_in(sub=sub, email=f"{sub}@example.com", email_verified=True)
    again = browser.log_in(sub=sub, email="somebody-else@example.com", email_verified=True)
    assert again.json["data"]["user"] == first.json["data"]["user"] | {
        "last_login_at": again.json["data"]["user"]["last_login_at"]
    }
    (identity,) = identities(browser.service, again.json["data"]["access_token"])
    assert identity["last_used_at"] is not None


def test_client_and_secret_are_sent_as_rfc_6749_has_it(browser: Browser, sub: str) -> None:
    browser.log_in(sub=sub)
    path, headers, form = next(each for each in reversed(browser.upstream.requests) if each[0] == "/token")
    assert headers["authorization"] == "Basic bGF0Y2hrZXk6czNjcmV0JTJGJTJCJTIweA=="
    assert "client_secret" not in form
    assert path == "/token"


def test_the_code_works_once_and_for_two_minutes(browser: Browser, sub: str) -> None:
    code = browser.code(sub=sub)
    assert browser.finish(code).status_code == 200
    assert code_of(browser.finish(code)) == (422, "invalid_code")
    late = browser.code(sub=sub)
    browser.service.clock.advance(CODE_LIVES.total_seconds())
    assert code_of(browser.finish(late)) == (422, "invalid_code")


def test_the_answer_is_taken_once_in_time_at_its_provider_and_in_the_browser_that_began(
    browser: Browser, sub: str
) -> None:
    other = Browser(browser.service, browser.upstream, "A" * 43)
    answer = browser.upstream.log_in(browser.start(), sub=sub)
    for stranger in (other, Browser(browser.service, browser.upstream)):
        assert stranger.back("trusted", answer).status_code == 422
    assert told(browser.back("trusted", answer)).keys() == {"code"}
    assert browser.back("trusted", answer).status_code == 422
    answer = browser.upstream.log_in(browser.start(), sub=sub)
    assert browser.back("linking", answer).status_code == 422
    answer = browser.upstream.log_in(browser.start(), sub=sub)
    browser.service.clock.advance(LIVES.total_seconds())
    assert browser.back("trusted", answer).status_code == 422
    for hostile in ({}, {"state": "x" * 9000}, {"state": "é\r\n"}, {"code": "1"}):
        assert browser.back("trusted", hostile).status_code == 422


def test_two_visits_in_one_browser_do_not_disturb_each_other(browser: Browser, sub: str) -> None:
    first, second = (browser.upstream.log_in(browser.start(), sub=sub) for _ in range(2))
    for answer in (second, first):
        assert browser.finish(told(browser.back("trusted", answer))["code"]).status_code == 200


def test_a_refusal_at_the_provider_goes_back_to_the_application(browser: Browser) -> None:
    for sent, error in (("access_denied", "access_denied"), ("server_error", "provider_refused")):
        state = parse_qs(urlsplit(browser.start()).query)["state"][0]
        assert told(browser.back("trusted", {"error": sent, "state": state})) == {"error": error}


def test_a_provider_that_is_down_is_unavailable_and_nothing_is_kept(
    start: Start, browser: Browser, files: Files
) -> None:
    answer = browser.upstream.log_in(browser.start())
    browser.upstream.is_down = True
    assert told(browser.back("trusted", answer)) == {"error": "unavailable"}
    fresh = start(on=browser.service, EGRESS_ALLOW="127.0.0.1", PROVIDERS_FILE=files.of(files.provider("down")))
    assert code_of(fresh.post("/auth/providers/down/start", {})) == (503, "unavailable")


def test_without_an_address_to_go_on_to_a_page_shows_the_code(browser: Browser, sub: str) -> None:
    reply = browser.service.post("/auth/providers/trusted/start", {})
    browser.cookie = re.search(rf"{COOKIE}=([^;]+)", reply.headers["Set-Cookie"])[1]  # type: ignore[index]
    page = browser.back("trusted", browser.upstream.log_in(reply.json["data"]["url"], sub=sub))
    assert page.status_code == 200
    (code,) = re.findall("<strong>([A-Za-z0-9_-]{43})</strong>", page.text)
    assert browser.finish(code).status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/", "//evil.example/", "/\\evil.example", "https://app.example.com.evil.example/",
        "https://app.example.com@evil.example/", "https://evil.example\\@app.example.com/", "http://app.example.com/",
        "https://app.example.com:444/", "javascript:alert(1)", "/x\n//evil.example", "https://app.example.com/#x",
        "https://app.example.com/?code=1", "https://app.example.com/?a=1&error=", "x", "https://[", "/ü",
        "https:/app.example.com/", "https:app.example.com/", "https://app.example.com%2eevil.example/",
        "https://app.example.com;@evil.example/", "https://app.example.com./", "/x?%63ode=1",
    ],
)  # fmt: skip
def test_only_registered_pages_are_returned_to(service: Service, target: str) -> None:
    reply = service.post("/auth/providers/trusted/start", {"redirect_to": target})
    assert code_of(reply) == (422, "validation_failed")
    assert [error["field"] for error in reply.json["errors"]] == ["redirect_to"]


def test_a_path_of_this_service_is_returned_to(browser: Browser, sub: str) -> None:
    url = browser.start(redirect_to="/login?to=x")
    reply = browser.back("trusted", browser.upstream.log_in(url, sub=sub))
    assert reply.headers["Location"].startswith("http://localhost:5000/login?to=x&code=")


def test_hostile_bodies_and_unknown_providers_are_refused(service: Service) -> None:
    body: object
    for body in ({"purpose": "x"}, {"redirect_to": 5}, {"challenge": "short"}, {"more": 1}, [], {"purpose": None}):
        assert service.post("/auth/providers/trusted/start", body).status_code == 422
    for body in ({}, {"code": ""}, {"code": 5}, {"code": "x", "verifier": "\0"}):
        assert service.post("/auth/providers/finish", body).status_code == 422
    assert code_of(service.post("/auth/providers/none/start", {})) == (404, "not_found")
    assert service.get("/auth/providers/none/callback", query="state=x").status_code == 404


def test_an_application_can_bind_the_code_to_itself(browser: Browser, sub: str) -> None:
    verifier = "v" * 43
    for sent, status in (({}, 422), ({"verifier": "w" * 43}, 422), ({"verifier": verifier}, 200)):
        url = browser.start(challenge=s256(verifier))
        code = told(browser.back("trusted", browser.upstream.log_in(url, sub=sub)))["code"]
        assert browser.finish(code, **sent).status_code == status


@pytest.mark.parametrize("cookie", ["A" * 43, None])
def test_a_code_without_the_cookie_of_its_browser_logs_nobody_in(
    browser: Browser, sub: str, cookie: str | None
) -> None:
    code = browser.code(sub=sub)
    assert code_of(Browser(browser.service, browser.upstream, cookie).finish(code)) == (422, "invalid_code")


def test_an_application_that_has_the_verifier_needs_no_cookie(browser: Browser, sub: str) -> None:
    verifier = "v" * 43
    for cookie, status in ((None, 200), ("A" * 43, 422)):
        url = browser.start(challenge=s256(verifier))
        code = told(browser.back("trusted", browser.upstream.log_in(url, sub=sub)))["code"]
        elsewhere = Browser(browser.service, browser.upstream, cookie)
        assert elsewhere.finish(code, verifier=verifier).status_code == status


# Pages of this service


def begun_by_page(browser: Browser, sub: str, to: str = "/login?request=abc", **more: Any) -> str:
    """The code with which a page goes on."""
    logins = browser.service.wired.get(ProviderLogins)
    started = logins.start("trusted", to, browser=browser.cookie, **more)
    browser.cookie = started.browser
    back = browser.back("trusted", browser.upstream.log_in(started.url, sub=sub))
    return parse_qs(urlsplit(back.headers["Location"]).query)["code"][0]


def test_a_page_logs_in_with_the_code_once(browser: Browser, sub: str) -> None:
    logins, code = browser.service.wired.get(ProviderLogins), begun_by_page(browser, sub)
    opened = logins.log_in_page(code, browser.cookie, DEVICE)
    assert opened.user.id == browser.log_in(sub=sub).json["data"]["user"]["id"]
    with pytest.raises(InvalidCode):
        logins.log_in_page(code, browser.cookie, DEVICE)


@pytest.mark.parametrize("cookie", [None, "", "A" * 43])
def test_a_page_takes_no_code_of_another_browser(browser: Browser, sub: str, cookie: str | None) -> None:
    code = begun_by_page(browser, sub)
    with pytest.raises(InvalidCode):
        browser.service.wired.get(ProviderLogins).log_in_page(code, cookie, DEVICE)


@pytest.mark.parametrize(("to", "more"), [(TARGET, {}), ("/login", {"challenge": "c" * 43})])
def test_a_page_takes_no_code_that_is_for_an_application(
    browser: Browser, sub: str, to: str, more: dict[str, Any]
) -> None:
    code = begun_by_page(browser, sub, to, **more)
    with pytest.raises(InvalidCode):
        browser.service.wired.get(ProviderLogins).log_in_page(code, browser.cookie, DEVICE)


def test_a_page_takes_no_code_that_links(browser: Browser, sub: str) -> None:
    ann = browser.service.register()
    code = begun_by_page(browser, sub, by=session_of(browser.service.wired, ann.id))
    with pytest.raises(InvalidCode):
        browser.service.wired.get(ProviderLogins).log_in_page(code, browser.cookie, DEVICE)


# What the ID token has to say


def _set(**claims: object) -> Callable[[dict[str, Any]], None]:
    return lambda found: found.update(claims)


@pytest.mark.parametrize(
    "change",
    [
        _set(nonce="another"), _set(nonce=None), lambda found: found.pop("nonce"), _set(iss="https://evil.example"),
        _set(aud="another"), _set(aud=["latchkey", "another"]), _set(aud=["latchkey", "another"], azp="another"),
        _set(azp="another"), _set(exp=1), _set(exp="soon"), _set(iat=99999999999), lambda found: found.pop("iat"),
        lambda found: found.pop("sub"), _set(sub=""), _set(sub=5), _set(sub="x" * 256), _set(sub="a\0b"),
        _set(at_hash="wrong"), _set(exp=True), _set(exp=float("inf")), _set(nbf=99999999999), _set(nbf="now"),
        _set(azp=["latchkey"]), _set(nonce="\ud800"), _set(nonce="ü"), _set(sub="\ud800"),
    ],
)  # fmt: skip
def test_an_id_token_that_is_not_for_this_login_proves_nothing(
    browser: Browser, sub: str, change: Callable[[dict[str, Any]], None]
) -> None:
    browser.upstream.change = change
    answer = browser.upstream.log_in(browser.start(), sub=sub)
    assert told(browser.back("trusted", answer)) == {"error": "provider_refused"}


def test_an_id_token_that_the_provider_did_not_sign_proves_nothing(browser: Browser, sub: str) -> None:
    for key, algorithm in (
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        ("s3cret/+ x" * 4, "HS256"),
        (browser.upstream.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), "HS256"),
        (None, "none"),
    ):
        browser.upstream.signs_with, browser.upstream.algorithm = key, algorithm
        answer = browser.upstream.log_in(browser.start(), sub=sub)
        assert told(browser.back("trusted", answer)) == {"error": "provider_refused"}


@pytest.mark.parametrize(
    "token",
    [5, "", "x", "a.b.c", "x" * 17_000, f"{urlsafe_b64encode(b'[' * 9000).decode()}.e30.AA"],
    ids=["a number", "empty", "a word", "three words", "too long", "too deep"],
)
def test_what_is_no_id_token_proves_nothing(browser: Browser, sub: str, token: object) -> None:
    browser.upstream.id_token = token
    answer = browser.upstream.log_in(browser.start(), sub=sub)
    assert told(browser.back("trusted", answer)) == {"error": "provider_refused"}


def test_an_answer_of_another_issuer_proves_nothing(browser: Browser, sub: str) -> None:
    answer = browser.upstream.log_in(browser.start(), sub=sub)
    assert told(browser.back("trusted", {**answer, "iss": "https://evil.example"})) == {"error": "provider_refused"}
    answer = browser.upstream.log_in(browser.start(), sub=sub)
    assert told(browser.back("trusted", {**answer, "iss": browser.upstream.url})).keys() == {"code"}


@pytest.fixture
def with_userinfo(browser: Browser) -> Iterator[Provider]:
    """A provider that says in its userinfo what is not in its ID tokens."""
    browser.upstream.metadata = {"userinfo_endpoint": f"{browser.upstream.url}/userinfo"}
    later(browser.service, KEPT_FOR)
    yield browser.upstream
    later(browser.service, KEPT_FOR)


def test_the_address_may_be_in_the_userinfo(browser: Browser, with_userinfo: Provider, sub: str) -> None:
    email = f"{sub}@example.com"
    cases: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
        ({"email_verified": True}, {}, email),
        ({"email_verified": False}, {"email_verified": True}, None),  # the ID token does not say of which address
        ({}, {"email_verified": True}, None),
    ]
    for number, (said, in_token, proven) in reversed(list(enumerate(cases))):
        with_userinfo.userinfo = {"sub": f"{sub}-{number}", "email": email, "name": "Ann", **said}
        user = browser.log_in(sub=f"{sub}-{number}", **in_token).json["data"]["user"]
        assert (user["email"], user["name"]) == (proven, "Ann")


def test_userinfo_of_somebody_else_proves_nothing(browser: Browser, with_userinfo: Provider, sub: str) -> None:
    for wrong in ({"sub": "another"}, {}, {"sub": [sub]}):
        with_userinfo.userinfo = {"email": f"{sub}@example.com", "email_verified": True, **wrong}
        answer = browser.upstream.log_in(browser.start(), sub=sub)
        assert told(browser.back("trusted", answer)) == {"error": "provider_refused"}


# Who is linked


def test_an_address_alone_never_links(browser: Browser, sub: str) -> None:
    ann = verified(browser.service)
    for provider in ("trusted", "never", "members"):
        reply = browser.log_in(provider, sub=sub, email=ann.email.upper(), email_verified=True)
        assert code_of(reply) == (409, "identity_not_linked")
    assert browser.service.login(ann.email).status_code == 200
    assert identities(browser.service, ann.token) == []


def test_with_link_verified_both_proofs_link_and_the_owner_is_told(browser: Browser, sub: str) -> None:
    ann = verified(browser.service)
    reply = browser.log_in("linking", sub=sub, email=ann.email, email_verified=True)
    assert reply.json["data"]["user"]["id"] == ann.id
    assert "An account elsewhere opens your account now" in subjects_to(browser.service, ann.email)
    assert browser.service.login(ann.email).status_code == 200


@pytest.mark.parametrize("said", [{"email_verified": False}, {}, {"email_verified": "yes"}, {"email_verified": 1.5}])
def test_an_address_that_the_provider_does_not_prove_never_links(
    browser: Browser, sub: str, said: dict[str, Any]
) -> None:
    ann = verified(browser.service)
    reply = browser.log_in("linking", sub=sub, email=ann.email, **said)
    assert reply.status_code == 200, reply.text
    assert (reply.json["data"]["user"]["id"] != ann.id, reply.json["data"]["user"]["email"]) == (True, None)


@pytest.mark.parametrize("provider", ["plain", "ours"])
def test_the_word_of_a_provider_that_is_not_trusted_for_the_address_is_no_proof(
    browser: Browser, sub: str, provider: str
) -> None:
    ann = browser.service.register()  # unverified
    reply = browser.log_in(provider, sub=sub, email=ann.email, email_verified=True)
    assert reply.json["data"]["user"]["email"] is None
    assert browser.service.login(ann.email).status_code == 200


def test_an_unproven_address_becomes_the_users_by_an_answered_mail(browser: Browser, sub: str) -> None:
    email = f"{sub}@example.com"
    token = browser.log_in("plain", sub=sub, email=email).json["data"]["access_token"]
    mail = newest_to(browser.service, email)
    assert browser.service.post("/auth/email/verify", {"token": mail.token}).status_code == 200
    user = browser.service.get("/auth/me", token=token).json["data"]["user"]
    assert (user["email"], user["email_verified"]) == (email, True)


def test_proof_beats_claim(browser: Browser, sub: str) -> None:
    mallory = browser.service.register()  # with the address of somebody else
    Person(browser.service, mallory).enrol()
    reply = browser.log_in(sub=sub, email=mallory.email, email_verified=True)
    assert reply.json["data"]["user"]["id"] == mallory.id
    assert reply.json["data"]["user"]["email_verified"] is True
    assert code_of(browser.service.login(mallory.email)) == (401, "invalid_credentials")
    assert code_of(browser.service.get("/auth/me", token=mallory.token)) == (401, "session_ended")
    assert [each["subject"] for each in identities(browser.service, reply.json["data"]["access_token"])] == [sub]


def test_with_link_never_the_proof_takes_the_address_alone(browser: Browser, sub: str) -> None:
    mallory = browser.service.register()
    reply = browser.log_in("never", sub=sub, email=mallory.email, email_verified=True)
    assert reply.json["data"]["user"]["id"] != mallory.id
    assert reply.json["data"]["user"]["email"] == mallory.email
    assert browser.service.get("/auth/me", token=mallory.token).json["data"]["user"]["email"] is None


def test_where_nobody_may_register_somebody_new_is_refused(browser: Browser, sub: str) -> None:
    reply = browser.log_in("members", sub=sub, email=f"{sub}@example.com", email_verified=True)
    assert code_of(reply) == (403, "registration_refused")


# Linking and unlinking


def test_a_user_links_and_logs_in_with_it(browser: Browser, sub: str) -> None:
    ann = verified(browser.service)
    reply = browser.link(ann.token, sub=sub, email="other@example.com")
    assert reply.json["data"]["identity"]["subject"] == sub
    assert browser.log_in(sub=sub).json["data"]["user"]["id"] == ann.id
    assert browser.link(ann.token, sub=sub).status_code == 200  # again is harmless
    assert len(identities(browser.service, ann.token)) == 1


def test_linking_needs_a_recent_login(browser: Browser) -> None:
    ann = browser.service.register()
    assert code_of(browser.service.post("/auth/providers/trusted/start", {"purpose": "link"})) == (401, "missing_token")
    browser.service.clock.advance(601)
    reply = browser.service.post("/auth/providers/trusted/start", {"purpose": "link"}, token=ann.token)
    assert code_of(reply) == (403, "reauthentication_required")


def test_a_link_is_finished_in_the_session_that_began(browser: Browser, sub: str) -> None:
    ann, bob = browser.service.register(), browser.service.register()
    again = browser.service.login(ann.email).json["data"]["access_token"]
    for token in (None, bob.token, again):
        code = browser.code(token=ann.token, sub=sub)
        assert code_of(browser.finish(code, token=token)) == (422, "invalid_code")
    assert identities(browser.service, ann.token) == []


def test_an_identity_belongs_to_one_user(browser: Browser, sub: str) -> None:
    ann, bob = browser.service.register(), browser.service.register()
    assert browser.link(ann.token, sub=sub).status_code == 200
    assert code_of(browser.link(bob.token, sub=sub)) == (409, "identity_taken")


def test_the_last_way_in_stays(browser: Browser, sub: str) -> None:
    token = browser.log_in(sub=sub, email=f"{sub}@example.com", email_verified=True).json["data"]["access_token"]
    (identity,) = identities(browser.service, token)
    path = f"/auth/identities/{identity['id']}"
    assert code_of(browser.service.send("DELETE", path, token=token)) == (409, "last_credential")
    assert browser.link(token, sub=f"{sub}-2").status_code == 200
    assert browser.service.send("DELETE", path, token=token).status_code == 200
    assert code_of(browser.service.send("DELETE", path, token=token)) == (404, "not_found")
    reply = browser.log_in("members", sub=sub)
    assert code_of(reply) == (403, "registration_refused")  # nobody is known by it any more


def test_unlinking_ends_the_other_sessions_and_tells_the_owner(browser: Browser, sub: str) -> None:
    ann = verified(browser.service)
    browser.link(ann.token, sub=sub)
    elsewhere = browser.log_in(sub=sub).json["data"]["access_token"]
    (identity,) = identities(browser.service, ann.token)
    reply = browser.service.send("DELETE", f"/auth/identities/{identity['id']}", token=ann.token)
    assert reply.status_code == 200
    assert code_of(browser.service.get("/auth/me", token=elsewhere)) == (401, "session_ended")
    assert browser.service.get("/auth/me", token=ann.token).status_code == 200
    assert "An account elsewhere no longer opens your account" in subjects_to(browser.service, ann.email)


def test_nobody_unlinks_for_another(browser: Browser, sub: str) -> None:
    ann, bob = browser.service.register(), browser.service.register()
    browser.link(ann.token, sub=sub)
    (identity,) = identities(browser.service, ann.token)
    reply = browser.service.send("DELETE", f"/auth/identities/{identity['id']}", token=bob.token)
    assert code_of(reply) == (404, "not_found")


def test_the_export_holds_what_is_linked(browser: Browser, sub: str) -> None:
    ann = browser.service.register()
    browser.link(ann.token, sub=sub)
    exported = browser.service.get("/auth/me/export", token=ann.token).json["data"]
    assert [each["subject"] for each in exported["identities"]] == [sub]


# Pairs


def test_the_second_factor_is_asked_for_afterwards(browser: Browser, sub: str) -> None:
    ann = Person(browser.service, browser.service.register())
    ann.enrol()
    assert browser.link(ann.token, sub=sub).status_code == 200
    reply = browser.log_in(sub=sub, amr=["mfa"])
    assert code_of(reply) == (403, "second_factor_required")
    assert reply.json["login"]["next"] == "second_factor"


def test_a_disabled_user_is_not_let_in(browser: Browser, sub: str) -> None:
    ann, admin = browser.service.register(), browser.service.administrator()
    browser.link(ann.token, sub=sub)
    code = browser.code(sub=sub)
    assert browser.service.post(f"/admin/users/{ann.id}/disable", token=admin.token).status_code == 200
    assert code_of(browser.finish(code)) == (403, "account_disabled")
    assert code_of(browser.log_in(sub=sub)) == (403, "account_disabled")


def test_a_deleted_user_leaves_nothing(browser: Browser, sub: str) -> None:
    ann, service = browser.service.register(), browser.service
    browser.link(ann.token, sub=sub)
    browser.start(token=ann.token, purpose="link")
    assert service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=ann.token).status_code == 200
    service.wired.get(Outbox).deliver_due()
    assert service.wired.get(Identities).find(digest_of(browser.upstream.url, sub)) is None
    assert service.wired.get(Flows).remove_some_of(ann.id, 9) == 0
    reply = browser.log_in(sub=sub)
    assert reply.status_code == 200
    assert reply.json["data"]["user"]["id"] != ann.id


def test_of_16_at_once_one_takes_the_answer_and_one_the_code(browser: Browser, sub: str) -> None:
    answer = browser.upstream.log_in(browser.start(), sub=sub)
    replies = browser.service.at_once(lambda _: browser.back("trusted", answer))
    assert sorted(reply.status_code for reply in replies)[:2] == [303, 422]
    code = told(next(reply for reply in replies if reply.status_code == 303))["code"]
    finished = browser.service.at_once(lambda _: browser.finish(code).status_code)
    assert sorted(finished)[:2] == [200, 422]


def test_of_16_who_register_by_one_identity_at_once_one_user_comes_to_be(browser: Browser, sub: str) -> None:
    codes = [browser.code(sub=sub, email=f"{sub}@example.com", email_verified=True) for _ in range(16)]
    replies = browser.service.at_once(lambda number: browser.finish(codes[number]))
    assert {reply.status_code for reply in replies} <= {200, 503}
    users = {reply.json["data"]["user"]["id"] for reply in replies if reply.status_code == 200}
    assert len(users) == 1
    token = browser.log_in(sub=sub).json["data"]["access_token"]
    assert len(identities(browser.service, token)) == 1


def test_of_two_users_who_link_one_identity_at_once_one_gets_it(browser: Browser, sub: str) -> None:
    people = [browser.service.register() for _ in range(2)]
    codes = [browser.code(token=person.token, sub=sub) for person in people]
    replies = browser.service.at_once(lambda number: browser.finish(codes[number], token=people[number].token), 2)
    assert min(reply.status_code for reply in replies) == 200
    assert sum(len(identities(browser.service, person.token)) for person in people) == 1


def test_of_all_ways_in_one_stays_however_many_are_removed_at_once(browser: Browser, sub: str) -> None:
    token = browser.log_in(sub=sub).json["data"]["access_token"]
    for number in range(3):
        assert browser.link(token, sub=f"{sub}-{number}").status_code == 200
    found = identities(browser.service, token)
    paths = [f"/auth/identities/{each['id']}" for each in found]
    replies = browser.service.at_once(lambda number: browser.service.send("DELETE", paths[number], token=token), 4)
    assert sorted(reply.status_code for reply in replies) == [200, 200, 200, 409]
    assert len(identities(browser.service, token)) == 1
