"""Logging in with a provider beside everything else that can happen to an account, and under every setting."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from app.accounts.imported import LinkedIdentity
from app.hooks import Refused
from app.outbox.service import Outbox
from app.platform.identifiers import new_id
from app.security.published import RESTS_FOR
from app.social.identities.model import Identities, digest_of
from app.transfer.importing import ImportRules, ImportService
from app.transfer.incoming import Incoming
from tests.api.mailbox import mails_to, newest_to
from tests.api.oauth_flow import a_client
from tests.api.providers import APP, TARGET, Browser, Files, code_of, later, told
from tests.api.service import PASSWORD, Account, Reply, Service, Start, new_names
from tests.api.test_account import delete
from tests.api.test_api_keys import new_key
from tests.api.test_email_change import moved
from tests.api.test_grants import App, Asked, allow
from tests.api.test_impersonation import acting as acting_for
from tests.api.test_passkeys import Holder
from tests.api.test_required_factors import Enrolment
from tests.api.test_second_factors import Person
from tests.api.test_social_login import identities, subjects_to, verified
from tests.servers.openid import Provider

pytestmark = pytest.mark.usefixtures("upstream_as_usual")


class Choosy:
    """A hook that registers nobody of evil.example."""

    def check_registration(self, registration: Any) -> None:
        if (registration.email or "").endswith("@evil.example"):
            raise Refused("Not from there.")


@pytest.fixture(scope="module")
def settings(files: Files) -> dict[str, str]:
    trusted = files.provider("trusted", name="Trusted", trust_email=True, imported_as=["google"])
    providers = files.of(
        trusted,
        {**trusted, "id": "members", "allow_signup": False},
        {**trusted, "id": "linking", "link": "verified"},
        files.provider("plain"),
    )
    return {"EGRESS_ALLOW": "127.0.0.1", "CORS_ORIGINS": APP, "PROVIDERS_FILE": providers}


@pytest.fixture(scope="module")
def service(start: Start, settings: dict[str, str]) -> Service:
    return start(on=None, IMPERSONATION="on", **settings)


@pytest.fixture
def browser(service: Service, upstream: Provider) -> Browser:
    return Browser(service, upstream)


@pytest.fixture(scope="module")
def beside(service: Service, start: Start, settings: dict[str, str]) -> "Beside":
    return Beside(service, start, settings)


class Beside:
    """Makes instances beside the first, on its database, with other settings; each once."""

    def __init__(self, service: Service, start: Start, settings: dict[str, str]) -> None:
        self._service, self._start, self._settings = service, start, settings
        self._made: dict[str, Service] = {}

    def with_(self, **more: str) -> Service:
        name = repr(sorted(more.items()))
        if name not in self._made:
            self._made[name] = self._start(on=self._service, **{**self._settings, **more})
        return self._made[name]


def seen(reply: Reply) -> tuple[int, dict[str, Any], dict[str, str]]:
    """All that a client sees of a reply, but what is another at each request."""
    body = {name: value for name, value in reply.json.items() if name not in {"request_id", "timestamp"}}
    headers = {
        name: value for name, value in reply.headers.items() if name not in {"X-Request-ID", "Date", "RateLimit"}
    }
    return reply.status_code, body, headers


def amr_of(reply: Reply) -> list[str]:
    amr: list[str] = jwt.decode(reply.json["data"]["access_token"], options={"verify_signature": False})["amr"]
    return amr


# Settings


def test_where_accounts_are_hidden_an_unproven_address_gets_one_answer(
    beside: "Beside", upstream: Provider, sub: str
) -> None:
    service = beside.with_(HIDE_ACCOUNTS="on")
    known, browser = service.hidden_account(), Browser(service, upstream)
    for provider in ("plain", "trusted", "members"):
        replies = [
            browser.log_in(provider, sub=f"{sub}-{provider}", email=email, email_verified=provider == "plain")
            for email in (known.email, f"{sub}@example.com")
        ]
        assert seen(replies[0]) == seen(replies[1])
        assert replies[0].status_code == 403
    assert service.login(known.email).status_code == 200


def test_where_accounts_are_hidden_the_proven_owner_alone_learns_of_theirs(
    beside: "Beside", upstream: Provider, sub: str
) -> None:
    service = beside.with_(HIDE_ACCOUNTS="on")
    known, browser = service.hidden_account(), Browser(service, upstream)
    reply = browser.log_in(sub=sub, email=known.email, email_verified=True)
    assert code_of(reply) == (409, "identity_not_linked")
    new = browser.log_in(sub=f"{sub}-2", email=f"{sub}@example.com", email_verified=True)
    assert new.json["data"]["user"]["email"] == f"{sub}@example.com"


def test_where_accounts_are_hidden_a_registration_that_waits_is_no_account(
    beside: "Beside", upstream: Provider, sub: str
) -> None:
    service, email = beside.with_(HIDE_ACCOUNTS="on"), f"{sub}@example.com"
    assert service.post("/auth/register", {"email": email, "password": PASSWORD}).status_code == 202
    token = newest_to(service, email).token
    reply = Browser(service, upstream).log_in(sub=sub, email=email, email_verified=True)
    assert reply.json["data"]["user"]["email"] == email
    assert code_of(service.post("/auth/email/verify", {"token": token})) == (409, "email_taken")
    assert code_of(service.login(email)) == (401, "invalid_credentials")


def test_where_addresses_are_verified_first_a_provider_that_proves_none_registers_nobody(
    beside: "Beside", upstream: Provider, sub: str
) -> None:
    service = beside.with_(REQUIRE_VERIFIED_EMAIL="on")
    browser = Browser(service, upstream)
    for user in ({}, {"email": f"{sub}@example.com"}, {"email": "no address", "email_verified": True}):
        assert code_of(browser.log_in("trusted", sub=sub, **user)) == (403, "email_not_verified")
    assert service.wired.get(Identities).find(digest_of(upstream.url, sub)) is None
    assert browser.log_in(sub=sub, email=f"{sub}@example.com", email_verified=True).status_code == 200


def test_where_addresses_are_verified_first_a_linked_user_has_to_do_that(
    browser: Browser, beside: "Beside", sub: str
) -> None:
    ann = browser.service.register()
    browser.link(ann.token, sub=sub)
    strict = Browser(beside.with_(REQUIRE_VERIFIED_EMAIL="on"), browser.upstream)
    assert code_of(strict.log_in(sub=sub)) == (403, "email_not_verified")
    assert browser.log_in(sub=sub).status_code == 200


def test_a_hook_may_refuse_whom_a_provider_proves(beside: "Beside", upstream: Provider, sub: str) -> None:
    service = beside.with_(HOOKS=f"{__name__}:Choosy")
    browser = Browser(service, upstream)
    reply = browser.log_in(sub=sub, email=f"{sub}@evil.example", email_verified=True)
    assert code_of(reply) == (403, "registration_refused")
    assert "Not from there." in reply.text
    assert service.wired.get(Identities).find(digest_of(upstream.url, sub)) is None
    assert browser.log_in(sub=sub, email=f"{sub}@example.com", email_verified=True).status_code == 200


def test_where_a_second_factor_is_required_it_is_added_before_the_login_is_done(
    beside: "Beside", upstream: Provider, sub: str
) -> None:
    browser = Browser(beside.with_(REQUIRE_SECOND_FACTOR="all"), upstream)
    enrolment = Enrolment(browser.service, browser.log_in(sub=sub, amr=["mfa"]))
    enrolment.enrol()
    done = enrolment.go_on()
    assert done.status_code == 200, done.text
    assert set(amr_of(done)) == {"fed", "otp", "mfa"}


def test_two_factors_at_the_provider_count_for_both_if_the_operator_says_so(
    service: Service, beside: "Beside", upstream: Provider, sub: str
) -> None:
    browser = Browser(beside.with_(REQUIRE_SECOND_FACTOR="all", TRUST_UPSTREAM_MFA="on"), upstream)
    assert code_of(browser.log_in(sub=sub, amr=["pwd"])) == (403, "second_factor_required")
    assert amr_of(browser.log_in(sub=sub, amr=["pwd", "mfa"])) == ["fed", "mfa"]
    ann = Person(browser.service, service.register())
    ann.enrol()
    assert browser.link(ann.token, sub=f"{sub}-2").status_code == 200
    assert code_of(browser.log_in(sub=f"{sub}-2")) == (403, "second_factor_required")
    assert browser.log_in(sub=f"{sub}-2", amr=["mfa"]).status_code == 200


def test_the_second_factor_finishes_a_login_with_a_provider(browser: Browser, sub: str) -> None:
    ann = Person(browser.service, browser.service.register())
    ann.enrol()
    browser.link(ann.token, sub=sub)
    login = browser.log_in(sub=sub).json["login"]
    assert login["methods"] == ["totp", "recovery_code"]
    done = ann.second(login["token"], ann.code())
    assert done.json["data"]["user"]["id"] == ann.account.id
    assert set(amr_of(done)) == {"fed", "otp", "mfa"}


def test_a_browser_that_keeps_its_refresh_token_in_a_cookie_gets_it_there(
    beside: "Beside", upstream: Provider, sub: str
) -> None:
    browser = Browser(beside.with_(AUTH_COOKIES="on"), upstream)
    reply = browser.log_in(sub=sub)
    assert reply.status_code == 200, reply.text
    assert "HttpOnly" in reply.headers["Set-Cookie"]
    assert reply.json["data"]["refresh_token"] in reply.headers["Set-Cookie"]


def test_without_a_file_there_are_no_providers(start: Start) -> None:
    service = start()
    assert service.get("/auth/providers").json["data"] == {"providers": [], "next": None}
    assert code_of(service.post("/auth/providers/google/start", {})) == (404, "not_found")
    assert identities(service, service.register().token) == []


# Addresses that are held


def test_an_address_that_its_former_owner_may_take_back_is_nobody_elses(browser: Browser, sub: str) -> None:
    ann, his, _ = moved(browser.service)
    for provider in ("trusted", "linking"):
        reply = browser.log_in(provider, sub=sub, email=ann.email, email_verified=True)
        assert code_of(reply) == (409, "email_taken")
    assert browser.service.wired.get(Identities).find(digest_of(browser.upstream.url, sub)) is None
    assert delete(browser.service, ann).status_code == 200
    reply = browser.log_in(sub=sub, email=ann.email, email_verified=True)
    assert code_of(reply) == (409, "email_taken")
    assert browser.log_in(sub=sub, email=his, email_verified=True).json["data"]["user"]["email"] == his


def test_the_undo_of_a_change_of_address_drops_what_was_linked_since(browser: Browser, sub: str) -> None:
    service = browser.service
    ann = verified(service)
    assert browser.link(ann.token, sub=f"{sub}-hers").status_code == 200
    his = new_names()[0]
    reply = service.post("/auth/email", {"email": his, "password": PASSWORD}, token=ann.token)
    assert reply.status_code == 202, reply.text
    assert service.post("/auth/email/verify", {"token": newest_to(service, his).token}).status_code == 200
    assert browser.link(ann.token, sub=f"{sub}-his").status_code == 200
    mail = next(each for each in mails_to(service, ann.email) if "#token=" in each.text)
    assert service.post("/auth/email/undo", {"token": mail.token}).status_code == 200
    again = browser.log_in(sub=f"{sub}-hers")
    assert again.json["data"]["user"]["id"] == ann.id
    service.clock.advance(121)
    other = browser.log_in(sub=f"{sub}-his")
    assert other.json["data"]["user"]["id"] != ann.id


# Imported users


def imported(service: Service, sub: str, **more: Any) -> str:
    """The address of a user who had an account of a provider linked where they come from."""
    email = new_names()[0]
    record = Incoming(id=sub, email=email, email_verified=True, identities=(LinkedIdentity("google", sub),), **more)
    assert service.wired.get(ImportService).add(record, ImportRules("auth0")) == "imported"
    return email


@pytest.mark.parametrize(("provider", "says"), [("members", True), ("trusted", False)])
def test_what_was_linked_where_a_user_comes_from_is_linked_here(
    browser: Browser, sub: str, provider: str, *, says: bool
) -> None:
    email = imported(browser.service, sub)
    reply = browser.log_in(provider, sub=sub, email=email.upper(), email_verified=says)
    assert reply.json["data"]["user"]["email"] == email
    assert len(identities(browser.service, reply.json["data"]["access_token"])) == 1
    assert "An account elsewhere opens your account now" in subjects_to(browser.service, email)
    again = browser.log_in(sub=sub, email="elsewhere@example.com")
    assert again.json["data"]["user"]["id"] == reply.json["data"]["user"]["id"]


def test_neither_the_subject_alone_nor_another_provider_is_an_imported_link(browser: Browser, sub: str) -> None:
    email = imported(browser.service, sub)
    other = browser.log_in(sub=f"{sub}0", email=email, email_verified=True)
    assert code_of(other) == (409, "identity_not_linked")
    other = browser.log_in("plain", sub=sub, email=email)
    assert other.json["data"]["user"]["email"] is None
    nameless = browser.log_in(sub=f"{sub}-3", email=None)
    assert nameless.json["data"]["user"]["email"] is None


def test_an_imported_link_that_was_unlinked_stays_so(browser: Browser, sub: str) -> None:
    service, email = browser.service, imported(browser.service, sub)
    token = browser.log_in(sub=sub, email=email).json["data"]["access_token"]
    assert browser.link(token, sub=f"{sub}-2").status_code == 200
    found = next(each for each in identities(service, token) if each["subject"] == sub)
    assert service.send("DELETE", f"/auth/identities/{found['id']}", token=token).status_code == 200
    assert code_of(browser.log_in(sub=sub, email=email, email_verified=True)) == (409, "identity_not_linked")


def test_of_16_first_logins_of_an_imported_user_all_lead_to_one_link(browser: Browser, sub: str) -> None:
    email = imported(browser.service, sub)
    codes = [browser.code(sub=sub, email=email) for _ in range(16)]
    replies = browser.service.at_once(lambda number: browser.finish(codes[number]))
    assert {reply.status_code for reply in replies} <= {200, 503}
    assert {reply.json["data"]["user"]["email"] for reply in replies if reply.status_code == 200} <= {email}
    token = browser.log_in(sub=sub).json["data"]["access_token"]
    assert len(identities(browser.service, token)) == 1


# What administrators and keys may not


def test_whoever_acts_for_a_user_changes_no_way_in(browser: Browser, sub: str) -> None:
    service = browser.service
    ann, boss = verified(service), service.administrator()
    browser.link(ann.token, sub=sub)
    (identity,) = identities(service, ann.token)
    acting = acting_for(service, boss, ann)
    reply = service.post("/auth/providers/trusted/start", {"purpose": "link"}, token=acting)
    assert code_of(reply) == (403, "forbidden")
    reply = service.send("DELETE", f"/auth/identities/{identity['id']}", token=acting)
    assert code_of(reply) == (403, "forbidden")


def test_an_api_key_begins_and_finishes_nothing(browser: Browser, sub: str) -> None:
    ann = browser.service.register()
    key = new_key(browser.service, ann)
    reply = browser.service.post("/auth/providers/trusted/start", {"purpose": "link"}, token=key)
    assert code_of(reply) == (403, "forbidden")
    code = browser.code(token=ann.token, sub=sub)
    assert code_of(browser.finish(code, token=key)) == (403, "forbidden")
    assert browser.finish(code, token=ann.token).status_code == 200


# Without a password


def without_password(browser: Browser, sub: str) -> Account:
    """A user who has neither a password nor an address."""
    return Account(browser.log_in("plain", sub=sub).json["data"], "", "")


def test_whoever_has_no_password_deletes_the_account_after_a_recent_login(browser: Browser, sub: str) -> None:
    service, ann = browser.service, without_password(browser, sub)
    wrong = service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=ann.token)
    assert code_of(wrong) == (403, "wrong_password")
    service.clock.advance(601)
    late = service.send("DELETE", "/auth/me", token=ann.token)
    assert (code_of(late), late.json["methods"]) == ((403, "reauthentication_required"), ["provider"])
    again = browser.log_in("plain", sub=sub).json["data"]["access_token"]
    assert service.send("DELETE", "/auth/me", token=again).status_code == 200
    assert code_of(service.get("/auth/me", token=ann.token)) == (401, "session_ended")
    assert browser.log_in("plain", sub=sub).json["data"]["user"]["id"] != ann.id


def test_whoever_has_no_password_proves_their_second_factor_for_that(browser: Browser, sub: str) -> None:
    service, ann = browser.service, Person(browser.service, without_password(browser, sub))
    ann.enrol()
    service.clock.advance(601)
    late = service.send("DELETE", "/auth/me", token=ann.token)
    assert (code_of(late), late.json["methods"]) == ((403, "reauthentication_required"), ["totp"])
    renewed = service.post("/auth/reauthenticate", {"method": "totp", "code": ann.code()}, token=ann.token)
    assert service.send("DELETE", "/auth/me", token=renewed.json["data"]["access_token"]).status_code == 200


def test_no_password_authenticates_again_whoever_has_none(browser: Browser, sub: str) -> None:
    ann = without_password(browser, sub)
    refused = browser.service.post("/auth/reauthenticate", {"password": PASSWORD}, token=ann.token)
    assert (code_of(refused), refused.json["methods"]) == ((403, "reauthentication_required"), ["provider"])
    assert "provider" in refused.json["message"]


def test_whoever_has_neither_password_nor_address_comes_to_both(browser: Browser, sub: str) -> None:
    service, ann, email = browser.service, without_password(browser, sub), f"{sub}@example.com"
    service.clock.advance(601)
    late = service.post("/auth/email", {"email": email}, token=ann.token)
    assert code_of(late) == (403, "reauthentication_required")
    token = browser.log_in("plain", sub=sub).json["data"]["access_token"]
    assert service.get("/auth/me/export", token=token).status_code == 200
    assert service.post("/auth/email", {"email": email}, token=token).status_code == 202
    assert service.post("/auth/email/verify", {"token": newest_to(service, email).token}).status_code == 200
    assert service.post("/auth/password/forgot", {"email": email}).status_code == 202
    body = {"token": newest_to(service, email).token, "new_password": PASSWORD}
    assert service.post("/auth/password/reset", body).status_code == 200
    token = service.login(email).json["data"]["access_token"]
    for method, path, more in (("DELETE", "/auth/me", {}), ("POST", "/auth/email", {"email": f"new-{email}"})):
        asked = service.send(method, path, json=more, token=token)
        assert [(error["field"], error["code"]) for error in asked.json["errors"]] == [("password", "required")]


# Guesses


def test_a_login_with_a_provider_neither_counts_nor_clears_guesses_of_the_password(browser: Browser, sub: str) -> None:
    ann = verified(browser.service)
    browser.link(ann.token, sub=sub)
    for _ in range(20):
        locked = browser.service.login(ann.email, "wrong horse battery")
    assert locked.status_code == 429
    assert browser.log_in(sub=sub).status_code == 200  # guesses keep nobody out of another way in
    assert browser.service.login(ann.email).status_code == 429
    for _ in range(20):
        assert browser.finish("no code").status_code == 422
    other = browser.service.register()
    assert browser.service.login(other.email).status_code == 200


# At once


def test_a_login_beside_the_deletion_of_its_user_leaves_nothing_open(browser: Browser) -> None:
    service = browser.service
    for _ in range(5):
        ann, name = service.register(), new_names()[1]
        browser.link(ann.token, sub=name)
        code = browser.code(sub=name)

        def act(number: int, code: str = code, ann: Account = ann) -> Reply:
            return browser.finish(code) if number else delete(service, ann)

        deleted, finished = service.at_once(act, 2)
        assert deleted.status_code == 200
        assert finished.status_code in {200, 422, 503}, finished.text
        if finished.status_code == 200 and finished.json["data"]["user"]["id"] == ann.id:
            token = finished.json["data"]["access_token"]
            assert code_of(service.get("/auth/me", token=token)) == (401, "session_ended")


def test_a_login_beside_the_unlinking_of_its_identity_leaves_nothing_open(browser: Browser) -> None:
    service = browser.service
    for _ in range(5):
        ann, name = service.register(), new_names()[1]
        browser.link(ann.token, sub=name)
        (identity,) = identities(service, ann.token)
        code = browser.code("members", sub=name)

        def act(
            number: int, code: str = code, path: str = f"/auth/identities/{identity['id']}", ann: Account = ann
        ) -> Reply:
            return browser.finish(code) if number else service.send("DELETE", path, token=ann.token)

        unlinked, finished = service.at_once(act, 2)
        assert unlinked.status_code == 200
        assert finished.status_code in {200, 403, 422, 503}, finished.text
        if finished.status_code == 200:
            token = finished.json["data"]["access_token"]
            assert code_of(service.get("/auth/me", token=token)) == (401, "session_ended")
        assert identities(service, ann.token) == []


def test_a_link_beside_the_deletion_of_its_user_links_nobody(browser: Browser) -> None:
    service = browser.service
    for _ in range(5):
        ann, name = service.register(), new_names()[1]
        code = browser.code(token=ann.token, sub=name)

        def act(number: int, code: str = code, ann: Account = ann) -> Reply:
            return browser.finish(code, token=ann.token) if number else delete(service, ann)

        deleted, linked = service.at_once(act, 2)
        assert deleted.status_code == 200
        assert linked.status_code in {200, 401, 422}, linked.text
        mails_to(service, ann.email)  # the erasure
        service.clock.advance(121)
        assert browser.log_in(sub=name).json["data"]["user"]["id"] != ann.id


def test_of_16_links_of_one_identity_by_one_user_one_is_kept(browser: Browser, sub: str) -> None:
    ann = verified(browser.service)
    codes = [browser.code(token=ann.token, sub=sub) for _ in range(16)]
    replies = browser.service.at_once(lambda number: browser.finish(codes[number], token=ann.token))
    assert {reply.status_code for reply in replies} <= {200, 503}
    assert len({reply.json["data"]["identity"]["id"] for reply in replies if reply.status_code == 200}) == 1
    assert len(identities(browser.service, ann.token)) == 1
    assert subjects_to(browser.service, ann.email).count("An account elsewhere opens your account now") == 1


def test_of_16_users_who_link_one_identity_exactly_one_gets_it(browser: Browser, sub: str) -> None:
    people = [browser.service.register() for _ in range(16)]
    codes = [browser.code(token=person.token, sub=sub) for person in people]
    replies = browser.service.at_once(lambda number: browser.finish(codes[number], token=people[number].token))
    outcomes = [reply.status_code for reply in replies]
    assert outcomes.count(200) == 1
    assert set(outcomes) <= {200, 409, 503}
    assert sum(len(identities(browser.service, person.token)) for person in people) == 1


def test_of_the_last_passkey_and_the_last_identity_one_stays_when_both_are_removed_at_once(
    browser: Browser, sub: str
) -> None:
    service = browser.service
    for number in range(3):
        ann = Holder(service, account=without_password(browser, f"{sub}-{number}"))
        passkey = ann.added()["id"]
        (identity,) = identities(service, ann.token)
        paths = [f"/auth/passkeys/{passkey}", f"/auth/identities/{identity['id']}"]

        def remove(which: int, paths: list[str] = paths, token: str = ann.token) -> Reply:
            return service.send("DELETE", paths[which], token=token)

        assert sorted(map(code_of, service.at_once(remove, 2))) == [(200, None), (409, "last_credential")]


def test_an_identity_at_a_provider_that_is_gone_does_not_let_the_last_passkey_go(
    browser: Browser, beside: "Beside", sub: str
) -> None:
    ann = Holder(browser.service, account=without_password(browser, sub))
    path = f"/auth/passkeys/{ann.added()['id']}"
    without = beside.with_(PROVIDERS_FILE="")
    assert code_of(without.send("DELETE", path, token=ann.token)) == (409, "last_credential")
    assert browser.service.send("DELETE", path, token=ann.token).status_code == 200


def test_what_was_begun_at_a_provider_that_is_gone_comes_to_nothing(
    browser: Browser, beside: "Beside", sub: str
) -> None:
    without = Browser(beside.with_(PROVIDERS_FILE=""), browser.upstream)
    answer = browser.upstream.log_in(browser.start(), sub=sub)
    without.cookie = browser.cookie
    assert without.back("trusted", answer).status_code == 404
    code = told(browser.back("trusted", answer))["code"]
    assert code_of(without.finish(code)) == (422, "invalid_code")
    assert browser.service.wired.get(Identities).find(digest_of(browser.upstream.url, sub)) is None


# What is told


def test_linking_and_unlinking_are_audited_with_the_provider(browser: Browser, sub: str) -> None:
    service = browser.service
    ann = verified(service)
    browser.link(ann.token, sub=sub)
    (identity,) = identities(service, ann.token)
    service.send("DELETE", f"/auth/identities/{identity['id']}", token=ann.token)
    events = service.get("/auth/events", token=ann.token).json["data"]["events"]
    told_of = [(each["action"], each["details"]) for each in events if each["action"].startswith("identity.")]
    assert told_of == [("identity.unlinked", {"provider": "trusted"}), ("identity.linked", {"provider": "trusted"})]
    mails = [each for each in mails_to(service, ann.email) if "account elsewhere" in each.subject]
    assert len(mails) == 2
    assert all("Trusted" in each.text for each in mails)


def test_whoever_loses_an_unproven_account_leaves_an_event(browser: Browser, sub: str) -> None:
    mallory = browser.service.register()
    token = browser.log_in(sub=sub, email=mallory.email, email_verified=True).json["data"]["access_token"]
    events = browser.service.get("/auth/events", token=token).json["data"]["events"]
    assert "identity.took_over" in [each["action"] for each in events]


# Proof beats claim


def test_an_account_that_was_never_proven_is_taken_over_whole(browser: Browser, sub: str) -> None:
    service = browser.service
    mallory = Person(service, service.register())
    a_client(service).code(mallory.account)  # with consent
    mallory.enrol()
    key = new_key(service, mallory.account)
    allow(service, mallory.account, Asked(App(new_id())))
    assert browser.link(mallory.token, sub=f"{sub}-his").status_code == 200
    waiting = mallory.first()
    mails_to(service, mallory.account.email)
    code = browser.code(token=mallory.token, sub=f"{sub}-late")

    owner = browser.log_in(sub=sub, email=mallory.account.email, email_verified=True)

    assert owner.json["data"]["user"]["id"] == mallory.account.id
    assert owner.json["data"]["user"]["email_verified"]
    token = owner.json["data"]["access_token"]
    assert code_of(mallory.second(waiting, mallory.code())) == (401, "invalid_login_token")
    assert service.get("/auth/me", token=key).status_code == 401
    assert browser.finish(code, token=mallory.token).status_code == 401
    assert [each["subject"] for each in identities(service, token)] == [sub]
    assert service.get("/auth/grants", token=token).json["data"]["grants"] == []
    assert service.get("/auth/factors", token=token).json["data"]["factors"]["totp"] is None
    service.wired.get(Outbox).deliver_due()
    assert service.get("/auth/grants", token=token).json["data"]["grants"] == []
    service.clock.advance(121)
    assert browser.log_in(sub=f"{sub}-his").json["data"]["user"]["id"] != mallory.account.id


# The way back


def test_the_answer_names_the_provider_that_began(browser: Browser, sub: str) -> None:
    url = browser.start("trusted")
    answer = browser.upstream.log_in(url, sub=sub)
    assert browser.back("plain", answer).status_code == 422
    assert browser.back("trusted", answer).status_code == 422  # it is spent: nobody tries one after the other


def test_a_provider_that_says_who_answers_has_to(beside: "Beside", upstream: Provider, sub: str) -> None:
    upstream.metadata = {"authorization_response_iss_parameter_supported": True}
    browser = Browser(beside.with_(PUBLIC_URL="http://localhost:5000", DEFAULT_ROLES="member"), upstream)
    answer = upstream.log_in(browser.start(), sub=sub)
    assert told(browser.back("trusted", answer)) == {"error": "provider_refused"}
    answer = upstream.log_in(browser.start(), sub=sub)
    assert "code" in told(browser.back("trusted", {**answer, "iss": upstream.url}))


def test_documents_of_another_issuer_begin_nothing_and_are_not_kept(beside: "Beside", upstream: Provider) -> None:
    upstream.metadata = {"issuer": "https://evil.example"}
    service = beside.with_(DEFAULT_ROLES="member")
    assert code_of(service.post("/auth/providers/trusted/start", {})) == (403, "provider_refused")
    upstream.metadata = {}
    later(service, RESTS_FOR)
    assert service.post("/auth/providers/trusted/start", {}).status_code == 200


def test_keys_that_are_too_long_are_not_read(beside: "Beside", upstream: Provider, sub: str) -> None:
    browser = Browser(beside.with_(AUDIT_DAYS="364"), upstream)
    upstream.published = {"keys": [], "more": "x" * 70_000}
    assert told(browser.back("trusted", upstream.log_in(browser.start(), sub=sub))) == {"error": "unavailable"}
    later(browser.service, RESTS_FOR)
    upstream.published = {"keys": "none"}
    assert told(browser.back("trusted", upstream.log_in(browser.start(), sub=sub))) == {"error": "provider_refused"}
    upstream.published = None


@pytest.mark.parametrize("redirect", [TARGET, None])
def test_a_refusal_says_so_where_the_user_is(browser: Browser, redirect: str | None) -> None:
    body = {} if redirect is None else {"redirect_to": redirect}
    reply = browser.service.post("/auth/providers/trusted/start", body)
    browser.cookie = reply.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    state = parse_qs(urlsplit(reply.json["data"]["url"]).query)["state"][0]
    back = browser.back("trusted", {"error": "access_denied", "state": state})
    if redirect:
        assert told(back) == {"error": "access_denied"}
    else:
        assert back.status_code == 403
        assert "You did not allow it at the provider." in back.text
